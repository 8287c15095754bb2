"""Every limit of this package, in one place. Each is tested at its edge."""

from __future__ import annotations

REGISTERS_PER_READ = 125  # Modbus: a reply's byte count is one byte, 250 data bytes
BITS_PER_READ = 2000  # Modbus: of coils or discrete inputs
REGISTERS = 0x10000
UNIT_MAX = 255
NESTING_MAX = 16  # tables and lists inside each other in a TOML file; what we read needs half of it
PROFILE_BYTES_MAX = 48 * 1024  # a profile travels whole inside one entry of 65,535 bytes
EXTENDS_MAX = 4  # profiles behind each other
RECORD_WORDS_MAX = 2000  # one record and its pages; 4,000 bytes, far below the 32 KiB of an entry's raw words
SCORE_MAX = 10000  # hundredths
INT_MAX = 2**53 - 1  # larger numbers are decimal strings in an entry

ATTEMPTS = 3  # readings of one record before its refusal is told (G1)
RETRY_FIRST_S = 1.0  # pause after a refusal, doubled each time: noise on the line is over soon
RETRY_MAX_S = 300.0  # a record that stays unreadable; the following ones do not wait for it
STATUS_RETRY_MAX_S = 10.0  # the status block: nothing can be read without it
REFUSAL_AGAIN_S = 300.0  # the same refusal is told again at most this often
RESTART_AFTER_S = 2.0  # so long must sequence numbers have gone back without a reboot to be a new memory
TICK_SHOWN_S = 0.5  # a running time alone is no news sooner than so long after the last status that was shown
POLL_STEP_S = 0.002  # polls that fall into one step are sent together: one turn of the loop serves several rigs
SIGHTINGS_KEPT_MAX = 64  # moments at which a new record was first shown, for a figure only
REPLY_BYTES_KEPT = 520  # of a reply that broke the protocol, kept as evidence

GAP_CHARS = 3.5  # of silence end an RTU frame (Modbus over serial line V1.02, 2.5.1.1)
GAP_MIN_S = 0.00175  # above 19200 baud, from the same page
TURN_MS_MAX = 10_000  # a rig may take so long to turn a page of its window
COIL_LOOK_S = 0.02  # between two looks at a coil that the rig has not answered yet: some turns of a controller
COIL_AGAIN_S = 2.0  # a signal that freed nothing is not given again sooner
BUS_SETTLE_S = 0.02  # converters hand on what came in bursts, up to 16 ms apart
BUS_EARLY_S = 0.001  # a loop's timer may fire so much too soon
BUS_NOISE_S = 2.0  # a line that does not fall silent for so long is unusable for now
BUS_OPEN_AGAIN_S = 1.0  # between two tries to open a line, however many rigs hang on it
TRAIL_MAX_S = 0.5  # so long at most a line is kept quiet behind the answer of a unit that talks on
HELD_AFTER = 3  # failures in a row, and a unit is asked less often
HELD_SHARE = 8  # times what its failure cost the line, a dead unit is left alone: a ninth of the line is its share
HELD_MIN_S = 0.5
HELD_MAX_S = 60.0

MESSAGE_BYTES_MAX = 16_384  # one payload of interface v1 over MQTT (M1); 22 KB in base64 inside an entry
MESSAGE_DEPTH_MAX = 8  # levels of objects and lists; the interface itself needs 3
MESSAGE_DIGITS_MAX = 20  # of one number, sign included; more than any limit needs
MESSAGE_ROWS_MAX = 64  # deductions, and measures, of one record (M3)
MESSAGE_HIDDEN_MAX = 256  # byte ranges cut out of one payload, so that their list fits into the entry
MESSAGE_TICKET_BYTES_MAX = 32  # as in the Modbus half
MESSAGE_PERSON_BYTES_MAX = 128  # a name, a masked identity number

UNACKNOWLEDGED_MAX = 64  # messages of one broker that were not PUBACKed yet (H1)
LET_GO_ABOVE = 48  # from here on kept-back records are let go, so that no rig takes the places of the others (H2)
KEPT_BACK_MAX = 64  # records of one rig that wait for their turn (H3)
REFUSED_KEPT_MAX = 64  # refused messages of one rig that were not told yet
# Stored records of one rig whose bytes are remembered, so that a repetition is known as one without asking the log:
# twice what a rig holds. The newest one is never let go; the log judges what is older, by key and content.
DIGESTS_KEPT_MAX = 1024
CONNECT_WAIT_S = 4.0  # for a status of the rig, which comes every 2 s (M4)
SILENT_AFTER_STATUSES = 3  # so many times `status_every_ms` without one, and the rig is gone
RECORD_GRACE_PART = 0.25  # of the resend interval: a status may overtake the record that it counts
ACK_AGAIN_S = 1.0  # the same acknowledgement is not published again sooner
BROKER_TIMEOUT_S = 5.0  # for one answer of the broker
BROKER_KEEPALIVE_S = 10
BROKER_LOOK_S = 1.0  # between two looks whether the connection's socket is dead
SESSION_EXPIRY_S = 14 * 24 * 3600  # as in deploy/mosquitto: a box that stays away longer starts anew

PUSH_WINDOW_S = 60  # how far `created` of a signed request may be from the gateway's time, either way
PUSH_RATE = 20.0  # requests of one rig a second that it may make for ever …
PUSH_BURST = 100  # … and so many at once
NONCES_KEPT_MAX = 4096  # of one rig; more than it can use in two windows at that rate
NONCE_CHARS_MIN = 16
NONCE_CHARS_MAX = 64
PUSH_BATCH_MAX = 32  # records of one request; as many as a rig may hold unacknowledged results
PUSH_BODY_MAX = 256 * 1024  # of one request: a batch of middling records, or one that is refused as too large
PUSH_WAITING_MAX = 64  # records of one rig whose answer is waited for; as many as a mailbox keeps back
PUSH_ANSWER_S = 4.0  # then the answer is that nothing is known, and the rig repeats; at most two status intervals
PUSH_ORDER_S = 0.25  # a record whose forerunner is missing is answered after that
SECRET_CHARS_MIN = 32
SECRET_CHARS_MAX = 256

PLAIN_BYTES_MAX = 256  # one value under its own topic
TOPIC_BYTES_MAX = 512  # of a topic that stands in an entry
ARRIVED_MAX = 256  # records of one rig that nobody stored yet; what comes beyond is told as lost
NUMBERS_OPEN_MAX = 8  # half records of one rig, where each has its number in the topic
KEPT_WAIT_S = 2.0  # after the first record of a connection, for what the broker keeps: it gives that last
SPARK_BYTES_MAX = 16_384  # one Sparkplug payload; a birth certificate and the data of one record fit into an entry
SPARK_DATA_BYTES_MAX = 15_360  # all payloads with values of one record, together
SPARK_METRICS_MAX = 512  # of one payload
SPARK_NAME_BYTES_MAX = 256  # of a metric
REBIRTH_FIRST_S = 2.0  # before the same edge node is asked again for its birth certificates, doubled each time
REBIRTH_MAX_S = 60.0
