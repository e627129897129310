//go:build freebsd || dragonfly

package server

import "syscall"

func rlimit(soft, hard uint64) syscall.Rlimit {
	return syscall.Rlimit{Cur: int64(soft), Max: int64(hard)}
}
