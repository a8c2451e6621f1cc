#!/usr/bin/env bash
# The handler of shell workers: appends to the log of effects when it begins and when it ends.
# Needs bash 5, which has a clock (EPOCHREALTIME).
export LC_ALL=C
read -r run
# Where AGAIN says so, a task that is delivered again is quick.
[ "$OQ_DELIVERY" -gt 1 ] && run=${AGAIN:-$run}
effect() {
  printf '%s %s %s %s %s %s %s\n' "$EPOCHREALTIME" "$1" "$WORKER" "$$" "$OQ_TASK_ID" "$OQ_DELIVERY" "$OQ_TOKEN" >>"$EFFECTS"
}
effect start
sleep "$run"
# Twice.
if [ "$OQ_TYPE" = flaky ] && [ "$OQ_ATTEMPT" -lt 3 ]; then
  effect turn
  exit 1
fi
if [ "$OQ_TYPE" = later ] && [ "$OQ_DELIVERY" -lt 3 ]; then
  effect turn
  echo 1s
  exit 75
fi
effect end
printf '"%s"' "$OQ_TOKEN"
