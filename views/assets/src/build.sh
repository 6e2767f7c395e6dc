#!/bin/sh
# Rebuilds ../app.css from app.css and the templates. Needs Node and npm; the result is committed, so
# building the product needs neither. Packages go to a temporary folder (or $CSS_TOOLS, kept for the next
# run), never into the tree.
set -eu
cd "$(dirname "$0")"
tools=${CSS_TOOLS:-$(mktemp -d)}
mkdir -p "$tools"
cp package.json "$tools/package.json"
if [ ! -x "$tools/node_modules/.bin/tailwindcss" ]; then
	npm install --prefix "$tools" --no-package-lock --no-audit --no-fund --ignore-scripts --silent
fi
NODE_PATH="$tools/node_modules" "$tools/node_modules/.bin/tailwindcss" --input app.css --output ../app.css --minify
[ -n "${CSS_TOOLS:-}" ] || rm -rf "$tools"
