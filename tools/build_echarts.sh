#!/usr/bin/env bash
# Build synthgen/report/assets/echarts.min.js, the parts of Apache ECharts that the pages use. Needs node and npm.
set -euo pipefail
ECHARTS=6.1.0
ESBUILD=0.28.2
assets="$(cd "$(dirname "$0")/.." && pwd)/synthgen/report/assets"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund "echarts@$ECHARTS" "esbuild@$ESBUILD"
cat >entry.mjs <<'JS'
import * as core from "echarts/core";
import { LineChart, ScatterChart } from "echarts/charts";
import { DataZoomInsideComponent, GridComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";
core.use([LineChart, ScatterChart, DataZoomInsideComponent, GridComponent, TooltipComponent, CanvasRenderer]);
export const init = core.init;
JS
cat >banner.txt <<TXT
/*! Apache ECharts $ECHARTS (line, scatter, grid, tooltip, inside zoom, canvas), built by tools/build_echarts.sh.
 * Copyright 2017-2026 The Apache Software Foundation. Apache License 2.0: www.apache.org/licenses/LICENSE-2.0
 * With zrender, Copyright 2017 Baidu Inc., and parts of d3, Copyright 2010-2016 Mike Bostock: BSD 3-Clause; and tslib,
 * Copyright Microsoft Corporation: 0BSD. The texts of these licences are in echarts.licences.txt beside this file. */
TXT
npx esbuild entry.mjs --bundle --minify --format=iife --global-name=echarts --target=es2020 --legal-comments=none \
  --charset=ascii --define:process.env.NODE_ENV='"production"' --banner:js="$(cat banner.txt)" --outfile=echarts.min.js
if grep -qiE '</script|<!--|https?://|\beval\(|new Function' echarts.min.js; then
  echo "The bundle holds what an inline script of a page that fetches nothing must not hold." >&2
  exit 1
fi
mkdir -p "$assets"
cp echarts.min.js "$assets/"
{
  echo "== Apache ECharts"; cat node_modules/echarts/NOTICE node_modules/echarts/LICENSE
  echo "== d3 (in Apache ECharts)"; cat node_modules/echarts/licenses/LICENSE-d3
  echo "== zrender"; cat node_modules/zrender/LICENSE
  echo "== tslib"; cat node_modules/tslib/LICENSE.txt
} >"$assets/echarts.licences.txt"
ls -l "$assets"
