package server

import (
	"crypto/tls"
	"io/fs"
	"log/slog"
	"math/rand/v2"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
)

// Options of a server. The zero value works: a server on a free loopback port,
// with Redis's defaults and without a log.
type Options struct {
	// Addr is the TCP address that Start listens on, "host:port". Port 0
	// selects a free port. Default: "127.0.0.1:0", or none if TLSAddr is set,
	// so that a server with TLS does not listen without TLS by oversight.
	Addr string

	// TLSAddr is the address that Start listens on with TLS 1.2 or later. Its
	// certificates are in TLS or TLSFiles. Default: none.
	TLSAddr string

	// TLS is the configuration for TLSAddr, for certificates held in memory or
	// a custom TLS policy. Default: made from TLSFiles.
	TLS *tls.Config

	// TLSFiles are the certificate files for TLSAddr, and whether clients must
	// present certificates.
	TLSFiles TLSFiles

	// Socket is the path of a unix socket to listen on as well. Default: none.
	Socket string

	// SocketMode is the permissions of Socket, for example 0o700 for the owner
	// only. Systems other than Unix have none; there Start returns an error
	// unless it is 0. Default: 0o777 less the process's umask.
	SocketMode fs.FileMode

	// Databases is the number of numbered databases. Default: 16.
	Databases int

	// Password is what clients must present with AUTH or HELLO. Do needs no
	// password. Default: none.
	Password string

	// ACLFile is the path of a file of users, one per line as ACL LIST writes
	// them. The file must exist and be valid, or New and Start return an error.
	// ACL LOAD reads it again, ACL SAVE writes it. It excludes Password: the
	// default user's password is in the file. Do needs no user. Default: users
	// are kept in memory only.
	ACLFile string

	// Config sets parameters of CONFIG SET by name before the server starts:
	// {"maxclients": "100"}. New and Start return an error for values that
	// CONFIG SET would reject. Default: Redis's values.
	Config map[string]string

	// Strict makes SINTER, SINTERSTORE and SINTERCARD reply WRONGTYPE for a
	// sorted set, as Redis does. Default: they read it as the set of its
	// members.
	Strict bool

	// Debug is who may send DEBUG, with which a client can block all others:
	// "no", "local" (clients that do not come over a network), or "yes".
	// Default: "no".
	Debug commands.DebugAccess

	// Clock is the source of time. Default: the real clock.
	Clock Clock

	// Seed makes random picks (SPOP, RANDOMKEY, ...) repeatable: with the same
	// seed, the same calls in the same order on the same connection pick the
	// same elements. Default: a random seed.
	Seed uint64

	// AdversarialScans makes SCAN, SSCAN, HSCAN and ZSCAN do what Redis permits
	// but seldom does, at random from Seed: return an empty page between two
	// others, repeat elements of the previous page, and return as few as half
	// of the elements that COUNT asks for. It is for tests of programs that
	// scan. Default: no.
	AdversarialScans bool

	// Logger receives the server's log. It is called under the server's locks:
	// its handler must neither call the server nor wait for one of its clients.
	// Default: nothing is logged.
	Logger *slog.Logger

	// LogLevel, if set, is what CONFIG SET loglevel changes: it must be the
	// level of Logger's handler. Default: clients can read the level but not
	// change it.
	LogLevel *slog.LevelVar

	// MaxMemory is called with the value of maxmemory at the start and after
	// each change; 0: no limit. maxmemory limits used_memory, not the process.
	// A program that only runs a server can pass a matching limit to
	// debug.SetMemoryLimit. The function must not call the server. Default:
	// none.
	MaxMemory func(bytes uint64)

	// FreeMemory is called when used_memory has dropped by at least 32 MiB and
	// a quarter of its peak since the last call. It runs in a goroutine of the
	// server and under no lock. Calls are at least a second apart, and at least
	// 20 times as long as the last call took. Go returns free memory to the
	// system some minutes later; a program that only runs a server can do so at
	// once with debug.FreeOSMemory, which first collects the garbage of the
	// whole process. Close waits for a running call, so the function must not
	// call Close. Default: none.
	FreeMemory func()

	// Shutdown is called, once, when a client sends SHUTDOWN. It must not wait
	// for Close. Default: clients cannot shut down the server, as suits a
	// server inside another program.
	Shutdown func()

	commands []commands.Command // added to those of Redis; see internal/control
	hooks    control.Hooks
}

const (
	defaultAddr      = "127.0.0.1:0"
	defaultDatabases = 16
	maxDatabases     = 1 << 20
)

// withDefaults fills in fields that are zero.
func (o Options) withDefaults() Options {
	o.TLSFiles = o.TLSFiles.withDefaults()
	if o.Addr == "" && o.TLSAddr == "" {
		o.Addr = defaultAddr
	}
	if o.Databases == 0 {
		o.Databases = defaultDatabases
	}
	if o.Debug == "" {
		o.Debug = commands.DebugNo
	}
	if o.Clock == nil {
		o.Clock = realClock{}
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
