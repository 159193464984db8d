# Shared by the scripts beside it; sourced by bash with the project's directory as the working directory.

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# as_root runs a command as root: directly, or through sudo where that asks nothing. It fails where neither is possible.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo -n "$@"
	else
		return 1
	fi
}

# missing_packages prints those of the Debian packages given that are not installed.
missing_packages() {
	local p
	for p in "$@"; do
		dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$p"
	done
}

# install_packages installs Debian packages; it fails where that is not possible.
install_packages() {
	command -v apt-get >/dev/null || return 1
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1 && return
	as_root apt-get update -q >/dev/null 2>&1 || return 1
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null
}

# The Debian packages whose programs convert files (dropfs formats): documents, audio and video, pictures, PDF, texts.
engine_packages="libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui fonts-liberation ffmpeg libvips-tools librsvg2-bin poppler-utils ghostscript pandoc tesseract-ocr"

# go_at_least tells whether the Go on the PATH is of the version given or later.
go_at_least() {
	local have
	have=$(GOTOOLCHAIN=local GOFLAGS='' go env GOVERSION 2>/dev/null) || return 1
	[ "$(printf '%s\n%s\n' "go$1" "$have" | sort -V | head -n1)" = "go$1" ]
}

# ensure_go puts the Go that go.mod asks for on the PATH. A Go from 1.21 fetches it by itself; an older one, such as
# Debian 12's, fetches it as the module golang.org/toolchain, checked against the checksum database like any module.
ensure_go() {
	local want dir root
	want=$(sed -n 's/^go //p' go.mod)
	export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
	command -v go >/dev/null || install_packages golang-go ca-certificates ||
		die "Go is not installed; as root: apt-get install golang-go, or see https://go.dev/doc/install"
	go_at_least "$want" && return
	if go_at_least 1.21; then
		export GOTOOLCHAIN="go$want"
		go version >/dev/null || die "Go $want could not be fetched"
		return
	fi
	say "fetching Go $want through the module proxy"
	dir=$(mktemp -d)
	(cd "$dir" && echo 'module bootstrap' >go.mod &&
		GOFLAGS=-mod=mod go mod download "golang.org/toolchain@v0.0.1-go$want.$(go env GOOS)-$(go env GOARCH)") || {
		rm -rf "$dir"
		die "Go $want could not be fetched"
	}
	rm -rf "$dir"
	root="$(go env GOMODCACHE)/golang.org/toolchain@v0.0.1-go$want.$(go env GOOS)-$(go env GOARCH)"
	[ -x "$root/bin/go" ] || { # a module holds no modes
		chmod -R u+w "$root"
		chmod a+x "$root"/bin/* "$root"/pkg/tool/*/*
	}
	export PATH="$root/bin:$PATH" GOTOOLCHAIN=local
	unset GOROOT
	go version >/dev/null || die "the Go in $root does not run"
}

# ensure_fuse looks for what a mount needs, installing it where it can.
ensure_fuse() {
	[ "$(uname)" = Linux ] || return 0
	command -v fusermount3 >/dev/null || install_packages fuse3 || {
		[ "$(id -u)" = 0 ] || die "fusermount3 is missing; as root: apt-get install fuse3"
	}
	[ -e /dev/fuse ] || as_root modprobe fuse 2>/dev/null || true
	[ -e /dev/fuse ] || die "/dev/fuse is missing: load the module (modprobe fuse), or give this container the device"
	[ -r /dev/fuse ] && [ -w /dev/fuse ] || die "/dev/fuse is closed to you; as root: chmod 0666 /dev/fuse"
}

# build makes bin/dropfs.
build() {
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/dropfs .
}
