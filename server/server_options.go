package server

import (
	"crypto/tls"
	"io/fs"
	"log/slog"
	"math/rand/v2"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/internal/control"
)

// Options of a server. The zero value works: a server on a free loopback port
// with Redis's defaults that logs nothing.
type Options struct {
	// Addr is the TCP address that Start listens on, "host:port". Port 0 picks
	// a free one. Default: "127.0.0.1:0", or none if TLSAddr is given: who asks
	// for TLS is not to be served without by oversight.
	Addr string

	// TLSAddr is the address that Start listens on with TLS, of version 1.2 at
	// least; TLS or TLSFiles say with which certificates. Default: none.
	TLSAddr string

	// TLS is how TLSAddr is served, for who has certificates in memory or rules
	// of his own. Default: as TLSFiles says.
	TLS *tls.Config

	// TLSFiles are the certificates for TLSAddr and whether clients need some.
	TLSFiles TLSFiles

	// Socket is the path of a unix socket to listen on as well. Default: none.
	Socket string

	// SocketMode is who may connect to Socket: 0o700 the owner only. Systems
	// other than Unix have no such permissions; there Start refuses any but 0.
	// Default: what the process's umask leaves of 0o777.
	SocketMode fs.FileMode

	// Databases is the number of numbered databases. Default: 16.
	Databases int

	// Password is what clients must present with AUTH or HELLO. Calls of Do are
	// let in without. Default: none.
	Password string

	// ACLFile is the path of a file of users, one in a line as ACL LIST writes
	// them. It must exist; New and Start refuse one with mistakes in it. ACL LOAD
	// reads it again, ACL SAVE writes it. It excludes Password: what the default
	// user needs stands in the file. Calls of Do are let in without. Default:
	// users are kept in memory only.
	ACLFile string

	// Config sets parameters of CONFIG SET by their names before the server
	// starts: {"maxclients": "100"}. New and Start refuse what CONFIG SET would
	// refuse. Default: Redis's values.
	Config map[string]string

	// Strict refuses what Redis refuses: SINTER, SINTERSTORE and SINTERCARD
	// then answer WRONGTYPE to a sorted set. Default: they take it as the set
	// of its members.
	Strict bool

	// Debug says who may send DEBUG, with which a client can hold up all others:
	// "no", "local" (who does not come over a network), or "yes". Default: "no".
	Debug commands.DebugAccess

	// Clock is the source of all time. Default: the real one.
	Clock Clock

	// Seed makes random picks (SPOP, RANDOMKEY, ...) repeatable: with the same
	// seed, the same calls in the same order on the same connection pick the
	// same. Default: a random seed.
	Seed uint64

	// AdversarialScans makes SCAN, SSCAN, HSCAN and ZSCAN do what Redis permits and
	// seldom does, at random from Seed: empty pages before the end, one at most
	// between two others; elements of the page before once more; down to half as many
	// as COUNT asks for. For tests of programs that scan. Default: no.
	AdversarialScans bool

	// Logger takes what operators want to know. It is called under the server's
	// locks: its handler must neither call the server nor wait for a client of
	// it. Default: nothing is logged.
	Logger *slog.Logger

	// LogLevel, if given, is what CONFIG SET loglevel changes: it must be the
	// level of Logger's handler. Default: the level is told to clients and
	// cannot be changed.
	LogLevel *slog.LevelVar

	// MaxMemory is called with the parameter maxmemory at the start and each time that
	// it changes; 0: there is no limit. The limit is on what the server takes by its own
	// account, and not on the process: a program that is nothing but a server can tell
	// Go's runtime with debug.SetMemoryLimit to collect accordingly. It must not call the
	// server. Default: nothing is called.
	MaxMemory func(bytes uint64)

	// FreeMemory is called, in a goroutine of the server and under no lock, when the
	// server takes much less memory than it did, by its own account: at least 32 MiB and
	// a quarter less than at most since the last call. Calls are a second apart at least,
	// and 20 times as long as the last one took. Go gives what has become free back to the
	// system some minutes later; a program that is nothing but a server can have it done
	// with debug.FreeOSMemory, which collects the garbage of the whole process first.
	// Close waits for a call that is under way, so the function must not call Close.
	// Default: nothing is called.
	FreeMemory func()

	// Shutdown is called, once, when a client sends SHUTDOWN. It must not wait
	// for Close. Default: clients may not shut the server down, as suits one
	// that is part of another program.
	Shutdown func()

	commands []commands.Command // beside those of Redis; see internal/control
	hooks    control.Hooks
}

const (
	defaultAddr      = "127.0.0.1:0"
	defaultDatabases = 16
	maxDatabases     = 1 << 20
)

// withDefaults fills in what was left zero.
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
