#!/usr/bin/env bash
# Install Debian's Chromium for the tests of the pages where it is missing and this may be done; else say so, loudly.
set -euo pipefail
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$name" >/dev/null; then
    echo "The pages are tested in $(command -v "$name")."
    exit 0
  fi
done
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; then
    echo "Installed $(command -v chromium)."
    exit 0
  fi
fi
echo "!! No Chromium is installed here and it could not be installed: THE PAGES ARE NOT TESTED IN A BROWSER." >&2
echo "!! Install it (on Debian, as root: apt-get install chromium) and run the tests again." >&2
