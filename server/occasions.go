package server

import (
	"log/slog"
	"time"

	"github.com/parley-chat/parley/commands"
)

// An occasion is a kind of line in the log.
type occasion int

const (
	listening occasion = iota
	closing
	closed
	clientConnected
	clientLeft
	clientsRefused
	remoteRefused
	strangersRefused
	fewerClients
	acceptFailed
	handshakeFailed
	certificatesUnread
	protocolError
	httpOnPort
	queryTooLong
	repliesUnread
	clientIdle
	lateToSend
	lateToRead
	authFailed
	guessedOften
	lateToAuthenticate
	configSet
	shutdownAsked
	saveRefused
	sortedSetIntersected
	usersNotSaved
	commandPanicked
	wrongReply
	maxMemoryExceeded
	clientEvicted
	occasions = iota
)

// An occasionRow says all about a kind of line: the name under which metrics
// count it, and its level and words. Lines that clients can cause at will are
// held to so many in a time. docs/OPERATIONS.md says what to do about each.
type occasionRow struct {
	name  string
	level slog.Level
	text  string

	most   int // lines within the time; 0: any number
	within time.Duration
}

// verbose is the level that redis-server calls so; see logLevels.
const verbose = slog.LevelDebug

var occasionRows = [occasions]occasionRow{
	listening:            {name: "listening", level: slog.LevelInfo, text: "listening"},
	closing:              {name: "closing", level: slog.LevelInfo, text: "closing"},
	closed:               {name: "closed", level: slog.LevelInfo, text: "closed"},
	clientConnected:      {"client_connected", verbose, "client connected", 100, 10 * time.Second},
	clientLeft:           {"client_left", verbose, "client left", 100, 10 * time.Second},
	clientsRefused:       {"maxclients", slog.LevelWarn, "connection refused: there are maxclients of them", 10, 10 * time.Second},
	remoteRefused:        {"protected_mode", slog.LevelWarn, "connection refused: protected-mode is on and there is no password", 10, 10 * time.Second},
	strangersRefused:     {"unauthenticated_clients", slog.LevelWarn, "connection refused: too many have not authenticated yet", 10, 10 * time.Second},
	fewerClients:         {name: "maxclients_lowered", level: slog.LevelWarn, text: "maxclients lowered to what the limit of open files allows"},
	acceptFailed:         {"accept_error", slog.LevelWarn, "cannot accept a connection", 10, 10 * time.Second},
	handshakeFailed:      {"tls_handshake_failed", verbose, "a TLS handshake came to nothing", 100, 10 * time.Second},
	certificatesUnread:   {"tls_certificates_unread", slog.LevelWarn, "cannot read changed certificates: those read before hold", 1, time.Minute},
	protocolError:        {"protocol_error", verbose, "protocol error, connection closed", 100, 10 * time.Second},
	httpOnPort:           {"http_on_port", slog.LevelWarn, "possible attack: HTTP on the port of a Redis server, connection closed", 1, time.Minute},
	queryTooLong:         {"query_buffer_limit", slog.LevelWarn, "closing a client that sent too much at once", 10, 10 * time.Second},
	repliesUnread:        {"output_buffer_limit", slog.LevelWarn, "closing a client that does not read", 10, 10 * time.Second},
	clientIdle:           {"idle_timeout", verbose, "closing an idle client", 100, 10 * time.Second},
	lateToSend:           {"query_timeout", slog.LevelWarn, "closing a client that does not end its call", 10, 10 * time.Second},
	lateToRead:           {"output_timeout", slog.LevelWarn, "closing a client that has stopped reading", 10, 10 * time.Second},
	authFailed:           {"auth_failed", slog.LevelWarn, "authentication failed", 10, 10 * time.Second},
	guessedOften:         {"auth_failures", slog.LevelWarn, "closing a client that has given too many wrong passwords", 10, 10 * time.Second},
	lateToAuthenticate:   {"auth_timeout", verbose, "closing a client that has not authenticated in time", 100, 10 * time.Second},
	configSet:            {"config_set", slog.LevelInfo, "CONFIG SET", 100, time.Minute},
	shutdownAsked:        {name: "shutdown", level: slog.LevelInfo, text: "a client has sent SHUTDOWN"},
	saveRefused:          {"save_refused", slog.LevelWarn, "SHUTDOWN SAVE refused: this server keeps its data in memory only", 10, 10 * time.Second},
	sortedSetIntersected: {name: "sinter_sorted_set", level: slog.LevelWarn, text: "SINTER met a sorted set. Redis refuses this; ZINTER works on both"},
	usersNotSaved:        {"acl_save_failed", slog.LevelWarn, "the file of users could not be written", 10, 10 * time.Second},
	maxMemoryExceeded:    {"maxmemory", slog.LevelWarn, "maxmemory is less than what is in use: keys go, or calls are refused, as maxmemory-policy says", 10, 10 * time.Second},
	clientEvicted:        {"maxmemory_clients", slog.LevelWarn, "closing a client: clients take more than maxmemory-clients", 10, 10 * time.Second},
	wrongReply:           {name: "wrong_reply", level: slog.LevelError, text: "a command that the program has added did not write one whole reply"},
	commandPanicked:      {"panic", slog.LevelError, "a command panicked", 10, 10 * time.Second},
}

// noticeOccasions are the kinds of what commands tell of.
var noticeOccasions = map[commands.Notice]occasion{
	commands.AuthFailed:           authFailed,
	commands.ClientEvicted:        clientEvicted,
	commands.ConfigSet:            configSet,
	commands.ShutdownAsked:        shutdownAsked,
	commands.SaveRefused:          saveRefused,
	commands.SortedSetIntersected: sortedSetIntersected,
	commands.UsersNotSaved:        usersNotSaved,
	commands.WrongReply:           wrongReply,
}
