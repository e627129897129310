package server

import (
	"log/slog"
	"time"

	"github.com/parley-chat/parley/commands"
)

// An event is a kind of line in the log.
type event int

const (
	eventListening event = iota
	eventClosing
	eventClosed
	eventClientConnected
	eventClientLeft
	eventMaxClients
	eventProtectedMode
	eventUnauthenticatedClients
	eventMaxClientsLowered
	eventAcceptError
	eventTLSHandshakeFailed
	eventTLSCertificatesUnread
	eventProtocolError
	eventHTTPOnPort
	eventQueryBufferLimit
	eventOutputBufferLimit
	eventIdleTimeout
	eventQueryTimeout
	eventOutputTimeout
	eventAuthFailed
	eventAuthFailures
	eventAuthTimeout
	eventConfigSet
	eventShutdown
	eventSaveRefused
	eventSInterSortedSet
	eventACLSaveFailed
	eventPanic
	eventWrongReply
	eventMaxMemory
	eventMaxMemoryClients
	events = iota
)

// An eventRow says all about a kind of line: the name under which metrics
// count it, and its level and words. Lines that clients can cause at will are
// held to so many in a time. docs/OPERATIONS.md says what to do about each.
type eventRow struct {
	name  string
	level slog.Level
	text  string

	most   int // lines within the time; 0: any number
	within time.Duration
}

// verbose is the level that redis-server calls so; see logLevels.
const verbose = slog.LevelDebug

var eventRows = [events]eventRow{
	eventListening:              {name: "listening", level: slog.LevelInfo, text: "listening"},
	eventClosing:                {name: "closing", level: slog.LevelInfo, text: "closing"},
	eventClosed:                 {name: "closed", level: slog.LevelInfo, text: "closed"},
	eventClientConnected:        {"client_connected", verbose, "client connected", 100, 10 * time.Second},
	eventClientLeft:             {"client_left", verbose, "client left", 100, 10 * time.Second},
	eventMaxClients:             {"maxclients", slog.LevelWarn, "connection refused: there are maxclients of them", 10, 10 * time.Second},
	eventProtectedMode:          {"protected_mode", slog.LevelWarn, "connection refused: protected-mode is on and there is no password", 10, 10 * time.Second},
	eventUnauthenticatedClients: {"unauthenticated_clients", slog.LevelWarn, "connection refused: too many have not authenticated yet", 10, 10 * time.Second},
	eventMaxClientsLowered:      {name: "maxclients_lowered", level: slog.LevelWarn, text: "maxclients lowered to what the limit of open files allows"},
	eventAcceptError:            {"accept_error", slog.LevelWarn, "cannot accept a connection", 10, 10 * time.Second},
	eventTLSHandshakeFailed:     {"tls_handshake_failed", verbose, "a TLS handshake came to nothing", 100, 10 * time.Second},
	eventTLSCertificatesUnread:  {"tls_certificates_unread", slog.LevelWarn, "cannot read changed certificates: those read before hold", 1, time.Minute},
	eventProtocolError:          {"protocol_error", verbose, "protocol error, connection closed", 100, 10 * time.Second},
	eventHTTPOnPort:             {"http_on_port", slog.LevelWarn, "possible attack: HTTP on the port of a Redis server, connection closed", 1, time.Minute},
	eventQueryBufferLimit:       {"query_buffer_limit", slog.LevelWarn, "closing a client that sent too much at once", 10, 10 * time.Second},
	eventOutputBufferLimit:      {"output_buffer_limit", slog.LevelWarn, "closing a client that does not read", 10, 10 * time.Second},
	eventIdleTimeout:            {"idle_timeout", verbose, "closing an idle client", 100, 10 * time.Second},
	eventQueryTimeout:           {"query_timeout", slog.LevelWarn, "closing a client that does not end its call", 10, 10 * time.Second},
	eventOutputTimeout:          {"output_timeout", slog.LevelWarn, "closing a client that has stopped reading", 10, 10 * time.Second},
	eventAuthFailed:             {"auth_failed", slog.LevelWarn, "authentication failed", 10, 10 * time.Second},
	eventAuthFailures:           {"auth_failures", slog.LevelWarn, "closing a client that has given too many wrong passwords", 10, 10 * time.Second},
	eventAuthTimeout:            {"auth_timeout", verbose, "closing a client that has not authenticated in time", 100, 10 * time.Second},
	eventConfigSet:              {"config_set", slog.LevelInfo, "CONFIG SET", 100, time.Minute},
	eventShutdown:               {name: "shutdown", level: slog.LevelInfo, text: "a client has sent SHUTDOWN"},
	eventSaveRefused:            {"save_refused", slog.LevelWarn, "SHUTDOWN SAVE refused: this server keeps its data in memory only", 10, 10 * time.Second},
	eventSInterSortedSet:        {name: "sinter_sorted_set", level: slog.LevelWarn, text: "SINTER met a sorted set. Redis refuses this; ZINTER works on both"},
	eventACLSaveFailed:          {"acl_save_failed", slog.LevelWarn, "the file of users could not be written", 10, 10 * time.Second},
	eventMaxMemory:              {"maxmemory", slog.LevelWarn, "maxmemory is less than what is in use: keys go, or calls are refused, as maxmemory-policy says", 10, 10 * time.Second},
	eventMaxMemoryClients:       {"maxmemory_clients", slog.LevelWarn, "closing a client: clients take more than maxmemory-clients", 10, 10 * time.Second},
	eventWrongReply:             {name: "wrong_reply", level: slog.LevelError, text: "a command that the program has added did not write one whole reply"},
	eventPanic:                  {"panic", slog.LevelError, "a command panicked", 10, 10 * time.Second},
}

// noticeEvents are the kinds of what commands tell of.
var noticeEvents = map[commands.Notice]event{
	commands.AuthFailed:           eventAuthFailed,
	commands.ClientEvicted:        eventMaxMemoryClients,
	commands.ConfigSet:            eventConfigSet,
	commands.ShutdownAsked:        eventShutdown,
	commands.SaveRefused:          eventSaveRefused,
	commands.SortedSetIntersected: eventSInterSortedSet,
	commands.UsersNotSaved:        eventACLSaveFailed,
	commands.WrongReply:           eventWrongReply,
}
