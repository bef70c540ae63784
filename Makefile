# The front door. Everything behind it is `cargo xtask`, which needs nothing but cargo; each command installs or
# names what the computer lacks (deploy/local/setup.sh), and can be stopped and run again.

.DEFAULT_GOAL := help
.PHONY: help demo test up down check bench

help: ## list what there is to type
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## show transfers and the national table on real parts; PEOPLE=300 MOVERS=30, or DATA=<folder of NDJSON>
	@cargo xtask demo

test: ## check everything, then test the whole system on a stack of its own
	@cargo xtask test

up: ## start the local stack
	@cargo xtask up

down: ## end the local stack; its data stays
	@cargo xtask down

check: ## format, lints, documentation, and every test that needs no stack
	@cargo xtask check

bench: ## measure the release builds, a few minutes; the figures stand in docs/performance.md
	@cargo xtask bench
