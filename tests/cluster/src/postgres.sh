# Runs a PostgreSQL server until standard input ends, and leaves nothing behind.
#   BIN DIR [PORT]     PORT: the server to follow as a standby, on this host
# The directory holds server.conf and pg_hba.conf.
set -eu
bin=$1 dir=$2 primary=${3-}
data=$dir/data
end() {
  "$bin/pg_ctl" stop -D "$data" -m immediate >"$dir/stop" 2>&1 </dev/null || :
  cd /
  rm -rf "$dir"
}
fail() {
  cat "$dir/make" "$dir/log" 2>/dev/null || :
  exit 1
}
trap '' INT HUP TERM
trap end EXIT
cd "$dir"
if [ -n "$primary" ]; then
  "$bin/pg_basebackup" -h 127.0.0.1 -p "$primary" -U postgres -D "$data" -R -c fast --no-sync \
    >"$dir/make" 2>&1 </dev/null || fail
else
  "$bin/initdb" -D "$data" -U postgres -E UTF8 --locale=C --no-sync >"$dir/make" 2>&1 </dev/null || fail
  cp "$dir/pg_hba.conf" "$data/pg_hba.conf"
fi
cat "$dir/server.conf" >>"$data/postgresql.conf"
"$bin/pg_ctl" start -w -D "$data" -l "$dir/log" >"$dir/start" 2>&1 </dev/null || fail
echo ready
while read -r _; do :; done
