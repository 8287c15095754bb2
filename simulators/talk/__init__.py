"""Rigs that say what happened in messages of their makers: values under topics, Sparkplug metrics, JSON over HTTP."""
