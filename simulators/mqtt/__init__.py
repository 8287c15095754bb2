"""The MQTT half of the interface (docs/rig-interface-v1-mqtt.md): messages, the connection to the broker, the host."""
