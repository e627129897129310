//go:build !linux

package server

// Other systems do not tell without code of their own.

func totalMemory() uint64 { return 0 }

func residentMemory() func() uint64 { return nil }
