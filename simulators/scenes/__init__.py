"""Days at an exam point, honest ones and sham ones, described as what people do: files in simulators/scenarios."""
