# Where everything starts. CONTRIBUTING.md says more; `make` alone lists the targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# node and all tools are those of package.json (Node.js 24), whatever the machine has.
machine_path := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(PATH):/usr/sbin:/sbin
installed := node_modules/.installed

# A KUBECONFIG that just happens to be in the environment is not a wish to run the demo on that cluster.
given_kubeconfig := $(if $(filter command,$(firstword $(origin KUBECONFIG))),$(KUBECONFIG))

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | column -t -s $$'\t'

.PHONY: test
test: $(installed) ## all tests; LEVEL=lint|types|unit|cluster|node|long and GREP='part of a title' pick some
	@LEVEL='$(LEVEL)' GREP='$(subst ','\'',$(GREP))' exec node test/run.ts

.PHONY: lint types unit
lint: $(installed) ## linter and formatter
	@LEVEL=lint exec node test/run.ts
types: $(installed) ## the TypeScript compiler
	@LEVEL=types exec node test/run.ts
unit: $(installed) ## unit tests and their coverage
	@LEVEL=unit GREP='$(subst ','\'',$(GREP))' exec node test/run.ts

.PHONY: demo
demo: $(installed) $(if $(given_kubeconfig),,prerequisites) ## the whole product on a cluster made for it; KEEP=1 leaves it; KUBECONFIG=FILE IMAGE=NAME uses yours
	@KUBECONFIG='$(given_kubeconfig)' IMAGE='$(IMAGE)' KEEP='$(KEEP)' exec node test/demo/main.ts

.PHONY: bench
bench: $(installed) ## what the operator costs, measured; ROW=id,… picks, otherwise what has no result for these sources
	@ROW='$(ROW)' PROFILES='$(PROFILES)' exec node test/bench/main.ts

.PHONY: cluster cluster-down
cluster: $(installed) prerequisites ## a cluster to develop on
	@exec node test/testbed/main.ts up
cluster-down: $(installed) ## ends it
	@exec node test/testbed/main.ts down

.PHONY: build generate format
build: $(installed) ## the program's bundles, in dist/
	@exec node scripts/build.ts
generate: $(installed) ## the API's types, from crds/
	@exec node scripts/generate-api.ts
format: $(installed) ## format the sources
	@exec oxfmt

.PHONY: prerequisites
prerequisites: $(installed) ## Debian packages and Go, installed or named
	@exec node test/testbed/prerequisites.ts node

.PHONY: clean
clean: ## remove what was built in the checkout; ~/.cache/apparmor-operator stays
	rm -rf dist coverage node_modules

# Of two runs side by side in this checkout, one installs and the other finds it done.
$(installed): package-lock.json package.json
	@command -v npm >/dev/null || { echo 'npm is missing: apt-get install npm' >&2; exit 1; }
	@PATH='$(machine_path)' node --eval 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || \
	  { echo 'Node.js 20 or newer is missing: on Debian 13 apt-get install nodejs, on Debian 12 a package of Node.js 20' >&2; exit 1; }
	@flock . bash -euc 'if [[ ! $@ -nt package-lock.json || ! $@ -nt package.json ]]; then npm ci; touch $@; fi'
