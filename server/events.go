package server

import (
	"log/slog"
	"time"

	"github.com/parley-chat/parley/commands"
)

// An event is a kind of log line.
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
	eventCount = iota
)

// An eventRow describes an event: its name in metrics, and its level and text
// in the log. Events that clients can cause at will are rate-limited.
// docs/OPERATIONS.md says what to do about each.
type eventRow struct {
	name  string
	level slog.Level
	text  string

	limit  int // lines per period; 0: no limit
	within time.Duration
}

// levelVerbose is redis-server's level verbose; see logLevels.
const levelVerbose = slog.LevelDebug

var eventRows = [eventCount]eventRow{
	eventListening:              {name: "listening", level: slog.LevelInfo, text: "listening"},
	eventClosing:                {name: "closing", level: slog.LevelInfo, text: "closing"},
	eventClosed:                 {name: "closed", level: slog.LevelInfo, text: "closed"},
	eventClientConnected:        {"client_connected", levelVerbose, "client connected", 100, 10 * time.Second},
	eventClientLeft:             {"client_left", levelVerbose, "client left", 100, 10 * time.Second},
	eventMaxClients:             {"maxclients", slog.LevelWarn, "connection refused: maxclients reached", 10, 10 * time.Second},
	eventProtectedMode:          {"protected_mode", slog.LevelWarn, "connection refused: protected-mode is on and no password is set", 10, 10 * time.Second},
	eventUnauthenticatedClients: {"unauthenticated_clients", slog.LevelWarn, "connection refused: too many unauthenticated clients", 10, 10 * time.Second},
	eventMaxClientsLowered:      {name: "maxclients_lowered", level: slog.LevelWarn, text: "maxclients lowered: limit of open files"},
	eventAcceptError:            {"accept_error", slog.LevelWarn, "accept failed", 10, 10 * time.Second},
	eventTLSHandshakeFailed:     {"tls_handshake_failed", levelVerbose, "TLS handshake failed", 100, 10 * time.Second},
	eventTLSCertificatesUnread:  {"tls_certificates_unread", slog.LevelWarn, "TLS certificates changed but cannot be read: keeping the old ones", 1, time.Minute},
	eventProtocolError:          {"protocol_error", levelVerbose, "closing client: protocol error", 100, 10 * time.Second},
	eventHTTPOnPort:             {"http_on_port", slog.LevelWarn, "closing client: possible attack, HTTP on a Redis port", 1, time.Minute},
	eventQueryBufferLimit:       {"query_buffer_limit", slog.LevelWarn, "closing client: query buffer limit exceeded", 10, 10 * time.Second},
	eventOutputBufferLimit:      {"output_buffer_limit", slog.LevelWarn, "closing client: output buffer limit exceeded", 10, 10 * time.Second},
	eventIdleTimeout:            {"idle_timeout", levelVerbose, "closing client: idle timeout", 100, 10 * time.Second},
	eventQueryTimeout:           {"query_timeout", slog.LevelWarn, "closing client: incomplete request timed out", 10, 10 * time.Second},
	eventOutputTimeout:          {"output_timeout", slog.LevelWarn, "closing client: output timed out", 10, 10 * time.Second},
	eventAuthFailed:             {"auth_failed", slog.LevelWarn, "authentication failed", 10, 10 * time.Second},
	eventAuthFailures:           {"auth_failures", slog.LevelWarn, "closing client: too many failed authentications", 10, 10 * time.Second},
	eventAuthTimeout:            {"auth_timeout", levelVerbose, "closing client: authentication timed out", 100, 10 * time.Second},
	eventConfigSet:              {"config_set", slog.LevelInfo, "CONFIG SET", 100, time.Minute},
	eventShutdown:               {name: "shutdown", level: slog.LevelInfo, text: "SHUTDOWN received"},
	eventSaveRefused:            {"save_refused", slog.LevelWarn, "SHUTDOWN SAVE refused: data is kept in memory only", 10, 10 * time.Second},
	eventSInterSortedSet:        {name: "sinter_sorted_set", level: slog.LevelWarn, text: "SINTER read a sorted set: Redis rejects this, ZINTER works on both"},
	eventACLSaveFailed:          {"acl_save_failed", slog.LevelWarn, "cannot write the ACL file", 10, 10 * time.Second},
	eventMaxMemory:              {"maxmemory", slog.LevelWarn, "used memory exceeds maxmemory: evicting keys or rejecting writes", 10, 10 * time.Second},
	eventMaxMemoryClients:       {"maxmemory_clients", slog.LevelWarn, "closing client: maxmemory-clients exceeded", 10, 10 * time.Second},
	eventWrongReply:             {name: "wrong_reply", level: slog.LevelError, text: "command handler did not write exactly one reply"},
	eventPanic:                  {"panic", slog.LevelError, "panic recovered", 10, 10 * time.Second},
}

// noticeEvents maps the notices of commands to events.
var noticeEvents = map[commands.LogEvent]event{
	commands.AuthFailed:           eventAuthFailed,
	commands.ClientEvicted:        eventMaxMemoryClients,
	commands.ConfigSet:            eventConfigSet,
	commands.ShutdownAsked:        eventShutdown,
	commands.SaveRefused:          eventSaveRefused,
	commands.SortedSetIntersected: eventSInterSortedSet,
	commands.UsersNotSaved:        eventACLSaveFailed,
	commands.WrongReply:           eventWrongReply,
}
