# `make` alone prints the targets.

GO ?= go
ARGS ?=
N ?= 100000
SEED ?= 0
FUZZTIME ?= 30s
STATICCHECK = $(GO) tool -modfile=$(CURDIR)/.ci/tools/go.mod staticcheck
CLIENTS = internal/test/clients
COMPARISON = internal/test/comparison
ROUNDS ?= 15
SLICE ?= 50ms
MINUTES ?= 5

.PHONY: help
help: ## print the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

.PHONY: run
run: build ## build and start the server (ARGS="--port 7000 --strict")
	@echo 'Talk to it with `redis-cli -u ADDRESS`, or any Redis client; the address is in the line below. Ctrl-C ends it.'
	@./bin/parley $(ARGS)

.PHONY: build
build: ## build bin/parley
	$(GO) build -o bin/parley ./cmd/parley

.PHONY: test
test: ## run the tests; those that need redis-server or redis-cli say so and skip
	$(GO) test -parallel 4 ./...

.PHONY: race
race: ## run the tests with the race detector, in random order
	$(GO) test -race -shuffle=on -timeout=30m ./...

.PHONY: stress
stress: ## hunt for tests that depend on timing, for MINUTES (5): many times over, on busy processors, with -cpu 1, 2, 4 and -race
	@.ci/stress $(MINUTES) $(SEED)

.PHONY: clients
clients: ## run the tests with client libraries; what is not installed says so and skips
	cd $(CLIENTS) && $(GO) test -race -shuffle=on ./...

.PHONY: clients-install
clients-install: ## install the Node.js libraries and Jest for `make clients`, with npm
	@for library in $(CLIENTS)/node/*/package.json; do \
		echo "npm ci ($$(dirname $$library))"; \
		(cd "$$(dirname $$library)" && npm ci --no-fund --no-audit --ignore-scripts) || exit 1; \
	done

.PHONY: lint
lint: ## gofmt, go vet and staticcheck, on all modules
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(STATICCHECK) ./...
	cd $(CLIENTS) && $(GO) vet ./... && $(STATICCHECK) ./...
	cd $(COMPARISON) && $(GO) vet ./... && $(STATICCHECK) ./...

.PHONY: cross
cross: ## compile for Linux, macOS and Windows
	GOOS=linux GOARCH=amd64 $(GO) build ./...
	GOOS=linux GOARCH=386 $(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) build ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	GOOS=windows GOARCH=amd64 $(GO) build ./...
	GOOS=windows GOARCH=amd64 $(GO) vet ./...

.PHONY: record
record: ## record all transcripts anew from redis-server 7.0.15
	PARLEY_REQUIRE_REDIS=1 $(GO) test ./commands -count=1 -run '^TestRecord$$' -record

.PHONY: docs
docs: ## write docs/COMMANDS.md from the table of commands
	$(GO) test ./commands -count=1 -run '^TestCommandsDocument$$' -document

.PHONY: oracle
oracle: ## compare N random commands (N=100000 SEED=0) with redis-server, and a tenth as many of each theme and in talks
	PARLEY_REQUIRE_REDIS=1 $(GO) test ./internal/test/oracle -count=1 -timeout=2h -v -run '^Test(Oracle|Themes|Talk)$$' \
		-oracle.n=$(N) -oracle.seed=$(SEED) -theme.n=$$(($(N) / 10)) -theme.seed=$(SEED) -talk.n=$$(($(N) / 10)) -talk.seed=$(SEED)

.PHONY: nightly
nightly: ## what takes hours on a quiet machine: all at full size, bounds on times, a million commands, ten million of each fuzz target
	PARLEY_FULL=1 PARLEY_TIMING=1 $(GO) test -count=1 -parallel 1 -timeout=2h ./...
	PARLEY_FULL=1 $(MAKE) race
	$(GO) test ./server -count=1 -timeout=2h -run '^TestLockHoldBesideRedis$$' -lockhold=100000
	$(GO) test ./server -count=1 -timeout=1h -run '^TestSoak$$' -soak=10m
	.ci/stress 60 $(SEED) . $(CLIENTS)
	$(MAKE) oracle N=1000000 SEED=$(SEED)
	.ci/fuzz-count 10000000

.PHONY: bench
bench: ## time the schema's commands against redis-server, interleaved
	$(GO) run ./cmd/parley-bench $(ARGS)

.PHONY: compare
compare: ## put parley beside miniredis, in tests' use of them (ROUNDS=15 SLICE=50ms)
	cd $(COMPARISON) && $(GO) test -count=1 -v . -args -rounds=$(ROUNDS) -slice=$(SLICE)

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

.PHONY: fuzz-count
fuzz-count: ## run all fuzz targets, FUZZN (10000) executions of each or as long as that (40s), and print how many that were
	@.ci/fuzz-count $(or $(FUZZN),10000)
