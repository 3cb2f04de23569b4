# Runs a PostgreSQL server until standard input ends, and leaves nothing behind.
#   BIN DIR new              an empty one
#   BIN DIR standby PORT     one that follows the server with this port, on this host
#   BIN DIR backup PORT      one that recovers from the copy in DIR/data, and listens there
# The directory holds server.conf and pg_hba.conf; DIR/data may be a link to where the data shall lie.
set -eu
bin=$1 dir=$2 origin=$3 port=${4-}
data=$dir/data
end() {
  "$bin/pg_ctl" stop -D "$data" -m immediate >"$dir/stop" 2>&1 </dev/null || :
  cd /
  rm -rf "$(readlink -f "$data")" "$dir"
}
fail() {
  cat "$dir/make" "$dir/log" 2>/dev/null || :
  exit 1
}
trap '' INT HUP TERM
trap end EXIT
cd "$dir"
case $origin in
new)
  "$bin/initdb" -D "$data" -U postgres -E UTF8 --locale=C --no-sync >"$dir/make" 2>&1 </dev/null || fail
  cp "$dir/pg_hba.conf" "$data/pg_hba.conf"
  ;;
standby)
  "$bin/pg_basebackup" -h 127.0.0.1 -p "$port" -U postgres -D "$data" -R -c fast --no-sync \
    >"$dir/make" 2>&1 </dev/null || fail
  ;;
esac
cat "$dir/server.conf" >>"$data/postgresql.conf"
"$bin/pg_ctl" start -w -D "$data" -l "$dir/log" >"$dir/start" 2>&1 </dev/null || fail
recovers() {
  "$bin/psql" -X -A -t -h 127.0.0.1 -p "$port" -U postgres -c 'SELECT pg_is_in_recovery()' \
    2>"$dir/start" </dev/null
}
# It may take connections, or say that it starts, long before it has recovered.
while [ "$origin" = backup ] && [ "$(recovers)" != f ]; do
  [ -e "$data/postmaster.pid" ] || fail
  sleep 0.05
done
echo ready
while read -r _; do :; done
