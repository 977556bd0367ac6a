#!/bin/sh
# A git that knows reftables, of Debian's packages, for a system whose own git is older: newer_git.sh DIRECTORY
# makes DIRECTORY/git, which JELLYFORMAT_NEWER_GIT may name. It is installed nowhere, and runs with its own libraries.
set -eu
suite=trixie
mkdir -p "$1"
home=$(cd "$1" && pwd)
mkdir -p "$home/apt/lists/partial" "$home/apt/cache/archives/partial" "$home/debs" "$home/root"
: >"$home/apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main" \
    >"$home/apt/sources.list"
cat >"$home/apt/apt.conf" <<CONF
Dir::State "$home/apt";
Dir::State::lists "$home/apt/lists";
Dir::State::status "$home/apt/status";
Dir::Cache "$home/apt/cache";
Dir::Etc::sourcelist "$home/apt/sources.list";
Dir::Etc::sourceparts "/nonexistent";
Acquire::Languages "none";
CONF
export APT_CONFIG="$home/apt/apt.conf"
apt-get -q update
(cd "$home/debs" && apt-get -q download git libc6 libpcre2-8-0 zlib1g)
for package in "$home"/debs/*.deb; do dpkg -x "$package" "$home/root"; done
cp -a "$home/root/usr/lib/git-core" "$home/exec"
rm "$home/exec/git"
libraries="$home/root/usr/lib/$(uname -m)-linux-gnu"
cat >"$home/exec/git" <<RUN
#!/bin/sh
export GIT_EXEC_PATH="$home/exec"
exec "$(echo "$libraries"/ld-linux*)" --library-path "$libraries" --argv0 "\${0##*/}" "$home/root/usr/bin/git" "\$@"
RUN
chmod +x "$home/exec/git"
cp "$home/exec/git" "$home/git"
"$home/git" version
