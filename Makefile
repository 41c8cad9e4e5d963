# Needs Go and make, nothing else. "make help" lists the targets.

GO       ?= go
PACKAGES ?= ./...
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# How long each fuzz target runs, and the kill loop.
FUZZTIME       ?= 20s
CRASH_DURATION ?= 10m

# Flags for "make test" and "make race", such as TESTFLAGS=-short.
TESTFLAGS ?=

# Arguments for "make run", such as ARGS="--listen tcp://127.0.0.1:2883".
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)$$/\1\t\2/p' $(MAKEFILE_LIST) | \
		while IFS='	' read -r target text; do printf '  %-8s %s\n' "$$target" "$$text"; done

.PHONY: run
run: build ## build and start the broker (ARGS="..." for its flags)
	bin/holdfast serve $(ARGS)

.PHONY: build
build: ## build bin/holdfast
	$(GO) build -trimpath -ldflags '-X main.linkedVersion=$(VERSION)' -o bin/holdfast ./cmd/holdfast

.PHONY: test
test: ## run all tests
	$(GO) test -timeout 20m $(TESTFLAGS) $(PACKAGES)

.PHONY: race
race: ## run all tests under the race detector (needs a C compiler)
	$(GO) test -race -timeout 20m $(TESTFLAGS) $(PACKAGES)

.PHONY: lint
lint: ## check format, vet, static analysis and known vulnerabilities
	@unformatted=$$(gofmt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)
	@$(MAKE) --no-print-directory vulnerabilities

# The database of vulnerabilities is on the network. Without it the rest of lint still counts, but nobody must
# believe that this part was done. Status 3 is what was found; any other failure that is not the network's is ours.
.PHONY: vulnerabilities
vulnerabilities:
	@echo "$(GO) tool govulncheck $(PACKAGES)"
	@out=$$($(GO) tool govulncheck $(PACKAGES) 2>&1); status=$$?; \
	if [ $$status -eq 0 ] || [ $$status -eq 3 ]; then echo "$$out"; exit $$status; fi; \
	case "$$out" in \
	*"fetching vulnerabilities"*|*"dial tcp"*|*"no such host"*|*"i/o timeout"*|*"proxyconnect"*) \
		echo "$$out"; \
		echo "*****************************************************************"; \
		echo "* SKIPPED: the vulnerability database is not reachable.         *"; \
		echo "* Known vulnerabilities of the dependencies were NOT looked up. *"; \
		echo "*****************************************************************";; \
	*) echo "$$out"; exit $$status;; \
	esac

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	@set -e; for package in $$($(GO) list $(PACKAGES)); do \
		list=$$($(GO) test -list '^Fuzz' "$$package"); \
		for target in $$(printf '%s\n' "$$list" | grep '^Fuzz' || true); do \
			echo "== $$package $$target"; \
			$(GO) test -run - -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"; \
		done; \
	done

.PHONY: crash
crash: ## kill the broker over and over for CRASH_DURATION and count what was lost
	HOLDFAST_CRASH_DURATION=$(CRASH_DURATION) $(GO) test ./tests -run TestCrash -count 1 -timeout 0 -v

.PHONY: bench
bench: ## run the micro-benchmarks
	$(GO) test -run - -bench . -benchmem $(PACKAGES)

.PHONY: demo
demo: build ## show that nothing acknowledged is lost when the broker is killed
	$(GO) run ./tests/demo -broker bin/holdfast

.PHONY: fmt
fmt: ## format the code
	gofmt -w .

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
