"""What the gateway counts about itself, in a registry of its own. Labels: rig serials and fixed words only (P7)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.journey import Journey

_LATENCIES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.5, 1, 2, 5)


class Meters:
    """One set per process, handed to whoever counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.append_seconds = Histogram(
            "kaofen_append_seconds", "From append to fsynced", buckets=_LATENCIES, registry=self.registry
        )
        self.score_seconds = Histogram(
            "kaofen_record_to_ack_seconds",
            "From a read record to its acknowledgement",
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self.journey = Journey(self.registry)
        self.repeated = Counter("kaofen_repeated_records", "Records that were stored already", registry=self.registry)
        self.records = Counter("kaofen_records", "Records read and stored", ["rig"], registry=self.registry)
        self.refusals = Counter(
            "kaofen_refused_readings", "Readings refused", ["rig", "reason"], registry=self.registry
        )
        self.rig_up = Gauge("kaofen_rig_up", "1 while the rig answers", ["rig"], registry=self.registry)
        self.rig_asked_rarely = Gauge(
            "kaofen_rig_asked_rarely", "1 while its breaker is open or half-open", ["rig"], registry=self.registry
        )
        self.rig_unreadable = Gauge(
            "kaofen_rig_unreadable_seq",
            "Oldest record that cannot be read and keeps the rig from freeing any, 0 while there is none",
            ["rig"],
            registry=self.registry,
        )
        self.rig_kept = Gauge(
            "kaofen_rig_kept_records",
            "Records that the rig keeps because they are not acknowledged",
            ["rig"],
            registry=self.registry,
        )
        self.receipts = Counter("kaofen_receipts", "Receipts verified and kept", registry=self.registry)
        self.answers = Counter("kaofen_upload_answers", "Upload answers", ["status"], registry=self.registry)
        self.size = Gauge("kaofen_log_size", "Entries in the log", registry=self.registry)
        self.unsent = Gauge("kaofen_unsent", "Entries without a receipt", registry=self.registry)
        self.oldest_unsent = Gauge(
            "kaofen_oldest_unsent_seconds", "Age of the oldest entry without a receipt", registry=self.registry
        )
        self.server_offset = Gauge(
            "kaofen_server_time_offset_seconds", "Server clock minus ours", registry=self.registry
        )
        self.certificate_days = Gauge(
            "kaofen_certificate_days", "Days the client certificate lives", registry=self.registry
        )
        self.disk_free = Gauge("kaofen_disk_free_bytes", "Free bytes beside the log", registry=self.registry)
        self._of_rigs = (self.rig_up, self.rig_asked_rarely, self.rig_unreadable, self.rig_kept)
        self.accepts_exams = Gauge("kaofen_accepts_exams", "1 while a new exam can be recorded", registry=self.registry)

    def forget(self, serial: str) -> None:
        """A rig that is not read any more: what is said of its present would be said for ever."""
        for gauge in self._of_rigs:
            gauge.remove(serial)
