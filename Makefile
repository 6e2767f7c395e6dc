# What is checked beside `go test ./...`: see tools/clients/README.md and docs/performance.md.

.PHONY: sdks agents bench

sdks: ## the vendors' SDKs from npm against every upstream dialect
	cd tools/clients && npm ci && npm run sdks

agents: ## Claude Code, Codex and Gemini CLI, headless, against every upstream dialect
	cd tools/clients && npm ci && npm run clis

bench: ## the gateway beside a bare reverse proxy
	go run ./internal/bench
