#!/bin/sh
# Claims to have PESQ, then ends without measuring anything.
case "$*" in
    *--probe) echo '{"pesq": [], "dnsmos": ["speechmos"]}' ;;
esac
