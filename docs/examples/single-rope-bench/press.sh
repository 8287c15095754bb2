#!/bin/bash
# One candidate at the simulated rig: press.sh CONTROL_PORT. A real rig has buttons instead.
exec 3<>"/dev/tcp/127.0.0.1/$1"
while read -r command; do
  printf '%s\n' "$command" >&3
  read -r answer <&3
  printf '%s\n' "$answer"
done < "$(dirname "$0")/result.jsonl"
