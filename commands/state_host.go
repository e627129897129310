package commands

// Host describes the process around the commands.
type Host struct {
	Version    string // of parley
	Pid        int
	Executable string
	OS         string // as in INFO: "Linux 6.1 x86_64"
	Port       int    // 0 without TCP
	TLSPort    int    // 0 without TLS
	TLS        HostTLS
	Socket     string // path of the unix socket, or ""
	SocketMode int64  // its permissions; 0: as the process's umask says
	Started    int64  // Unix ms
	RunID      string // 40 hexadecimal digits
	Strict     bool   // refuse what Redis refuses: no extensions
	Debug      DebugAccess

	AdversarialScans bool // see perturb

	// TotalMemory is what the machine has, in bytes, 0 where that is not known;
	// Resident returns the process's resident bytes, nil where that is not known.
	TotalMemory uint64
	Resident    func() uint64

	// Purge returns free memory to the system; nil where clients may not ask for it.
	Purge func()

	// CPU returns the process's CPU seconds, system and user;
	// nil where that is not known.
	CPU func() (sys, user float64)

	// Shutdown ends the server after the current call; nil where clients may not.
	Shutdown func()

	ACLFile *ACLFile // nil: users are kept in memory only

	// LogEvent logs an event. l is the client whose call caused it; nil: none.
	LogEvent func(n LogEvent, l *Client, args ...any)
}

// HostTLS is what CONFIG tells of TLS.
type HostTLS struct {
	Cert, Key, CA string // paths; "" where there are none
	AuthClients   string // yes, no or optional: whether clients need certificates
}

// RedisVersion is the version of redis-server whose behaviour is followed and verified.
const RedisVersion = "7.0.15"

// A DebugAccess says who may send DEBUG, in the words of enable-debug-command.
type DebugAccess string

// Who may send DEBUG. The zero value is DebugNo.
const (
	DebugNo    DebugAccess = "no"
	DebugLocal DebugAccess = "local" // who does not come over a network
	DebugYes   DebugAccess = "yes"
)

// DebugAccesses lists them.
var DebugAccesses = []DebugAccess{DebugNo, DebugLocal, DebugYes}

// ProtectedError returns the error if a call needs the operator's permission and has none,
// or nil. local: the client is on this machine.
func (s *State) ProtectedError(m *Command, local bool) error {
	if !m.Has(Protected) || s.Host.Debug == DebugYes || s.Host.Debug == DebugLocal && local {
		return nil
	}
	return errNoDebug
}
