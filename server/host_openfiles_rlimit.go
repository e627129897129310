//go:build unix && !freebsd && !dragonfly

package server

import "syscall"

func rlimit(soft, hard uint64) syscall.Rlimit { return syscall.Rlimit{Cur: soft, Max: hard} }
