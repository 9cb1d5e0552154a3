#!/bin/sh
# SPDX-License-Identifier: MIT
# The cases of bench/programs, as a guest runs them: a line "case<TAB>nanoseconds<TAB>status" each,
# by the guest's own clock. On the deterministic machine that is the number of instructions.
# usage: programs.sh [CASE]...

export PATH=/usr/bin:/usr/sbin HOME=/tmp LC_ALL=C
wanted=" $* "

# timed NAME COMMAND...: a case that is not wanted is run all the same if later ones need its result.
timed() {
    name=$1
    shift
    before=$(date +%s%N)
    "$@" >/tmp/log 2>&1
    status=$?
    after=$(date +%s%N)
    [ $status = 0 ] || head -n 5 /tmp/log
    printf '%s\t%s\t%s\n' "$name" $((after - before)) $status
}

# case_NAME prepares in its own folder and ends with timed. The second of two equal runs finds
# everything in memory, on both systems.
case_nothing() {
    timed nothing true
}

case_python() {
    python3 -c pass # where the archive's times are not kept, its .pyc files are made anew
    timed python python3 -c pass
}

case_find() {
    timed find sh -c 'find / -xdev | wc -l'
}

case_git() {
    mkdir /tmp/git && cd /tmp/git && git init -q .
    n=0
    while [ $n -lt 300 ]; do
        echo $n >file$n
        n=$((n + 1))
    done
    timed git_add git add .
    timed git_commit git -c user.name=a -c user.email=b commit -q -m x
    timed git_status git status
}

case_cmake() {
    mkdir /tmp/cmake && cd /tmp/cmake
    printf 'cmake_minimum_required(VERSION 3.10)\nproject(p C)\nadd_executable(p main.c)\n' \
        >CMakeLists.txt
    echo 'int main(void) { return 0; }' >main.c
    timed cmake_configure cmake -B b .
}

case_lua() {
    cp -r /bench/lua5.4 /tmp/lua && cd /tmp/lua/src
    timed gcc_small_file gcc -O2 -c lzio.c
    rm lzio.o
    timed make_lua make -s generic
}

case_sqlite() {
    cp -r /bench/sqlite3 /tmp/sqlite && cd /tmp/sqlite
    timed sqlite_configure sh ./configure
    timed sqlite_amalgamation make -s sqlite3.c
    timed gcc_sqlite gcc -O2 -c sqlite3.c
}

mkdir -p /tmp
for name in nothing python find git cmake lua sqlite; do
    case $wanted in
    "  " | *" $name "*) (case_$name) ;;
    esac
done
echo '#done'
