"""What the integration tests, the demo and the benchmark stand on. The standard library only.

    process   temporary directories, ports, waiting, child processes that never outlive us
    cluster   a throw-away PostgreSQL and its streaming replicas
    pooler    the pooler (or PgBouncer) in front of it
    rawconn   the protocol, message by message
"""

from .cluster import Cluster
from .pooler import Pooler
from .process import TOP, free_port, scale, temp_dir, wait_until
from .rawconn import RawConn, ServerError

__all__ = ["Cluster", "Pooler", "RawConn", "ServerError", "TOP", "free_port", "scale", "temp_dir", "wait_until"]
