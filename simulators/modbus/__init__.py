"""A simulated rig's Modbus half: requests to replies, what a fault makes of them, connections and ports."""
