package server

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/parley-chat/parley/commands"
)

// hostInfo returns what commands need to know about the process and its
// machine.
func hostInfo(o Options) commands.Host {
	return commands.Host{
		Version:          Version,
		Pid:              os.Getpid(),
		Executable:       executable(),
		OS:               runtime.GOOS + " " + runtime.GOARCH,
		Started:          o.Clock.Now().UnixMilli(),
		RunID:            runID(),
		Strict:           o.Strict,
		Debug:            o.Debug,
		AdversarialScans: o.AdversarialScans,
		TLS:              commands.HostTLS{AuthClients: o.TLSFiles.AuthClients},
		Shutdown:         onceOrNil(o.Shutdown),
		CPU:              cpuTime,

		Purge:       debug.FreeOSMemory,
		TotalMemory: totalMemory(),
		Resident:    residentMemory(),
	}
}

// commandTable returns the table of the standard commands, which all servers
// share, or one with more commands added.
func commandTable(more []commands.Command) *commands.Table {
	if len(more) == 0 {
		return commands.Standard()
	}
	return commands.StandardWith(more)
}

// These values do not change while the process lives, so they are computed once
// and not for each of thousands of servers.
var (
	executable = sync.OnceValue(func() string {
		path, _ := os.Executable() // "" if the system does not say
		return path
	})
	totalMemory    = sync.OnceValue(machineMemory)
	residentMemory = sync.OnceValue(processMemory)
)

// onceOrNil returns f limited to one call, or nil if f is nil.
func onceOrNil(f func()) func() {
	if f == nil {
		return nil
	}
	return sync.OnceFunc(f)
}

// applyConfig sets the CONFIG parameters that the options specify.
func applyConfig(c *commands.Config, o Options) error {
	c.Password = o.Password
	if bind, _, err := net.SplitHostPort(o.Addr); err == nil {
		c.Bind = bind
	}
	if level := o.LogLevel; level != nil {
		c.LogLevel = levelName(level.Level())
		c.SetLogLevel = func(name string) {
			if l, ok := ParseLogLevel(name); ok {
				level.Set(l)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Config)) {
		if err := c.Set(name, o.Config[name]); err != nil {
			return fmt.Errorf("server: Config: %w", err)
		}
	}
	return nil
}

// runID returns a random identifier of this run: 40 hexadecimal digits.
func runID() string {
	var b [20]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
