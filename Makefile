# make demo    set everything up, build, clean samples/noisy into out/demo
# make test    set everything up, run every test
# make setup   only the set-up: system packages and libtorch; then plain cargo works

.PHONY: demo test setup

demo: setup
	@echo "demo: building (the first time takes minutes: libtorch's bindings are C++)"
	cargo build --release
	@echo "demo: cleaning samples/noisy into out/demo"
	cargo run --release --quiet -- clean samples/noisy -o out/demo --reference samples/clean --plot --force
	@echo "demo: cleaned WAV files and before/after spectrograms are in out/demo"

test: setup
	@echo "test: building and running every test (the first time takes minutes: libtorch's bindings are C++)"
	cargo test --release

setup:
	@sh scripts/system-packages.sh
	@python3 scripts/libtorch.py
