"""Every number that the interface page or good manners bound, in one place."""

from __future__ import annotations

U16_MAX = 0xFFFF
U32_MAX = 0xFFFF_FFFF

# Registers of docs/rig-interface-v1.md, 0-based PDU addresses.
STATUS_AT = 0
STATUS_WORDS = 48
CONTROL_AT = 100
CONTROL_WORDS = 3
EVENTS_AT = 4096
EVENT_WORDS = 48
EVENT_SLOTS = 512
RESULTS_AT = 28672
RESULT_WORDS = 160
RESULT_SLOTS = 32

TICKET_BYTES = 32
SERIAL_BYTES = 16
ITEM_BYTES = 4
DEDUCTIONS_MAX = 27

SCORE_FULL = 10_000  # hundredths
WEIGHT_WHOLE = 10_000  # 1/10000

ROOM_EVENTS_MIN = 32  # K3: free event slots without which no item, exam or mode change begins
READY_FRESH_US = 10_000_000  # K5, in real time however fast the exam runs
HEARTBEAT_US = 500_000  # +1 twice a second

READ_WORDS_MAX = 125
BITS_MAX = 2000  # single inputs or coils in one request
WRITE_WORDS_MAX = 123
MBAP_LENGTH_MIN = 2
MBAP_LENGTH_MAX = 254
CONNECTIONS_MAX = 8  # per rig; K6 asks for two
CONNECTIONS_REMEMBERED = 64  # by a fault that keeps something of each
REQUEST_BYTES_MAX = 256  # Modbus over serial line V1.02, 2.3
REQUEST_PAUSE_S = 0.5  # between two bytes of one request; the standard's 1.5 characters, with room for sockets
UNITS_PER_BUS_MAX = 247
CALL_AGAIN_S = 0.2  # a serial server that calls a gateway
PIECES_WAITING_MAX = 1024  # delayed reply pieces per connection, beyond which it is closed

# docs/rig-interface-v1-mqtt.md
PAYLOAD_BYTES_MAX = 16_384  # M1
MEASURES_MAX = 64  # M3
IN_FLIGHT_MAX = 32  # M6
REPEAT_AFTER_US = 5_000_000  # M6, real time
STATUS_EVERY_US = 1_500_000  # M4 says at least every 2 s
STATUS_PAUSE_S = 0.05  # between two, when much changes
KEEPALIVE_S = 10
SESSION_EXPIRY_S = 86_400
BROKER_CONNECT_S = 5.0
BROKER_ANSWER_S = 4.0
BROKER_PAUSE_S = (0.2, 2.0)  # between two tries to connect: first, at most

# docs/rig-interface-v1-http.md
PUSH_ANSWER_S = 12.0  # longer than the gateway takes to say that it does not know
PUSH_ANSWER_BYTES_MAX = 65_536
PUSH_BATCH_BYTES_MAX = 200_000

RIGS_MAX = 2000
SPEED_MAX = 100_000.0
CONTROL_LINE_BYTES_MAX = 65_536
CONTROL_TEXT_MAX = 64  # characters of a text in a command
BIND_RETRY_S = 0.05
BIND_TRIES_MAX = 600
