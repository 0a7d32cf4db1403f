#!/usr/bin/env bash
# Separate hosts on one machine, for tests: each a network namespace with an interface of its own, a
# host name, and a /tmp and a /dev/shm that no other host sees. They are joined by a bridge, in a
# namespace that plays the switch. Needs root.
#
#   hosts.sh up DIR N [RATE]       makes h1 … hN, 10.77.0.1 …, says "ready" and stays until it is killed,
#                                  which is the end of the hosts. All see DIR as /srv. RATE is of their
#                                  links, as `tc` has it (default: 1gbit).
#   hosts.sh in DIR HOST CMD …     runs a command on a host
#   hosts.sh link DIR HOST up|down plugs its cable in, or pulls it
#
# DIR/agent HOST CMD … is what Open MPI takes instead of ssh: OMPI_MCA_plm_rsh_agent=/srv/agent.
set -euo pipefail

up() {
  local dir=$1 count=$2 rate=${3:-1gbit} i
  local self; self=$(readlink -f "${BASH_SOURCE[0]}")
  echo "127.0.0.1 localhost" > "$dir/etc-hosts"
  for ((i = 1; i <= count; i++)); do echo "10.77.0.$i h$i" >> "$dir/etc-hosts"; done
  printf '#!/bin/bash\nhost=$1; shift\nexec nsenter -t "$(cat /srv/pid.$host)" --net --mount --uts -- /bin/bash -c "$*"\n' > "$dir/agent"
  chmod +x "$dir/agent"
  unshare --net sleep infinity &
  echo $! > "$dir/pid.switch"
  until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
  local switch=$!
  nsenter -t $switch --net ip link add br0 type bridge
  nsenter -t $switch --net ip link set br0 up
  for ((i = 1; i <= count; i++)); do
    unshare --net --mount --uts "$self" become "$dir" "h$i" &
    local pid=$!
    echo $pid > "$dir/pid.h$i"
    until [ -e "$dir/begun.h$i" ]; do sleep 0.01; done
    ip link add "tess$$" type veth peer name e0 netns $pid
    ip link set "tess$$" netns $switch name "p$i"
    nsenter -t $switch --net ip link set "p$i" master br0 up
    nsenter -t $pid --net ip link set lo up
    nsenter -t $pid --net ip addr add "10.77.0.$i/24" dev e0
    nsenter -t $pid --net ip link set e0 up
    nsenter -t $pid --net tc qdisc add dev e0 root tbf rate "$rate" burst 256kb latency 50ms
  done
  echo ready
  wait
}

# The first process of a host.
become() {
  local dir=$1 name=$2
  hostname "$name"
  mount --bind "$dir" /srv
  mount --bind "$dir/etc-hosts" /etc/hosts
  mount -t tmpfs tmpfs /dev/shm
  [ "${TESSERA_KEEP_TMP:-}" ] || mount -t tmpfs tmpfs /tmp
  touch "/srv/begun.$name"
  cd /
  exec sleep infinity
}

case $1 in
  up) shift; up "$@" ;;
  become) become "$2" "$3" ;;
  in) dir=$2 host=$3; shift 3; exec nsenter -t "$(cat "$dir/pid.$host")" --net --mount --uts -- "$@" ;;
  link) nsenter -t "$(cat "$2/pid.switch")" --net ip link set "p${3#h}" "$4" ;;
  *) sed -n '2,14s/^# \?//p' "$0"; exit 2 ;;
esac
