# Ends with 0 if the hub in this container accepts connections of clients. It reads the line with
# which nats-server greets every connection, because the hub has no monitoring port.
set -eu
exec 3<>"/dev/tcp/127.0.0.1/${HUB_CLIENT_PORT:-4222}"
read -r -t 3 -u 3 greeting
case $greeting in
  INFO*) ;;
  *) echo "unexpected greeting: ${greeting:0:100}" >&2; exit 1 ;;
esac
