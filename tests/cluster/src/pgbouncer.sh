# Runs PgBouncer until standard input ends, and leaves nothing behind.
#   BIN DIR PORT     BIN: the client programs of PostgreSQL; PORT: where it is to listen
# The directory holds pgbouncer.ini.
set -eu
bin=$1 dir=$2 port=$3
trap '' INT HUP TERM
cd "$dir"
/usr/sbin/pgbouncer pgbouncer.ini >log 2>&1 </dev/null &
pooler=$!
end() {
  # It was born with INT and TERM ignored.
  kill -KILL "$pooler" 2>/dev/null || :
  cd /
  rm -rf "$dir"
}
trap end EXIT
until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" </dev/null; do
  kill -0 "$pooler" 2>/dev/null || { cat log; exit 1; }
  sleep 0.02
done
echo ready
while read -r _; do :; done
