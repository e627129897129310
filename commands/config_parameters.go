package commands

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/datastructs"
)

// A parameter is what CONFIG GET and SET know by a name. Only what is true of
// this server has a row.
type parameter struct {
	name string
	get  func(*Context) string
	set  func(*Config, string) error // into a draft; nil: fixed when the server starts

	secret bool // its value is not shown
}

var parameters = []parameter{
	{name: "acl-pubsub-default", get: channelDefaultText, set: setChannelDefault},
	own("aclfile", aclFilePath),
	integer("acllog-max-len", 0, math.MaxInt64, func(c *Config) *int64 { return &c.ACLLogMaxLen }),
	constant("activedefrag", "no"),
	constant("appendonly", "no"),
	integer("auth-failure-burst", 1, math.MaxInt32, func(c *Config) *int64 { return &c.AuthLimit.Burst }),
	integer("auth-failure-delay", 0, 60_000, func(c *Config) *int64 { return &c.AuthLimit.Delay }),
	yesNo("auth-failure-loopback", func(c *Config) *bool { return &c.AuthLimit.Loopback }),
	integer("auth-failure-rate", 0, math.MaxInt32, func(c *Config) *int64 { return &c.AuthLimit.Rate }),
	integer("auth-max-failures", 0, math.MaxInt32, func(c *Config) *int64 { return &c.AuthLimit.MaxFailures }),
	seconds("auth-timeout", func(c *Config) *int64 { return &c.Timeouts.Auth }),
	own("bind", func(c *Context) string { return c.Config.Bind }),
	{name: "client-output-buffer-limit", get: outputLimitsText, set: setOutputLimits},
	bytesPerSecond("client-output-min-rate", func(c *Config) *int64 { return &c.Timeouts.OutputRate }),
	seconds("client-output-timeout", func(c *Config) *int64 { return &c.Timeouts.Output }),
	memoryParameter("client-query-buffer-limit", func(c *Config) *int64 { return &c.QueryBufferLimit }),
	bytesPerSecond("client-query-min-rate", func(c *Config) *int64 { return &c.Timeouts.QueryRate }),
	seconds("client-query-timeout", func(c *Config) *int64 { return &c.Timeouts.Query }),
	fixed("cluster-enabled", "no"),
	own("databases", func(c *Context) string { return strconv.Itoa(len(c.Databases)) }),
	own("enable-debug-command", func(c *Context) string { return string(c.Host.Debug) }),
	// The limits at which Redis changes an encoding also have their former names.
	limit("hash-max-listpack-entries", datastructs.HashListpackEntries),
	limit("hash-max-listpack-value", datastructs.HashListpackValue),
	limit("hash-max-ziplist-entries", datastructs.HashListpackEntries),
	limit("hash-max-ziplist-value", datastructs.HashListpackValue),
	fixed("io-threads", "1"),
	integer("latency-monitor-threshold", 0, math.MaxInt64, func(c *Config) *int64 { return &c.LatencyThreshold }),
	yesNo("latency-tracking", func(c *Config) *bool { return &c.LatencyTracking }),
	{name: "latency-tracking-info-percentiles", get: percentilesText, set: setPercentiles},
	integer("lfu-decay-time", 0, math.MaxInt32, func(c *Config) *int64 { return &c.LFUDecay }),
	integer("lfu-log-factor", 0, math.MaxInt32, func(c *Config) *int64 { return &c.LFUFactor }),
	{name: "loglevel", get: func(c *Context) string { return c.Config.LogLevel }, set: setLogLevel},
	{name: "maxclients", get: func(c *Context) string { return strconv.Itoa(c.Config.MaxClients) }, set: setMaxClients},
	{name: "maxmemory", get: func(c *Context) string { return strconv.FormatUint(c.Config.MaxMemory, 10) }, set: setMaxMemory},
	{name: "maxmemory-clients", get: maxClientMemoryText, set: setMaxClientMemory},
	integer("maxmemory-eviction-tenacity", 0, 100, func(c *Config) *int64 { return &c.EvictionTenacity }),
	{name: "maxmemory-policy", get: func(c *Context) string { return c.Config.Policy.name() }, set: setPolicy},
	integer("maxmemory-samples", 1, math.MaxInt32, func(c *Config) *int64 { return &c.EvictionSamples }),
	{name: "notify-keyspace-events", get: func(c *Context) string { return c.Config.Events.letters() }, set: setEvents},
	own("port", func(c *Context) string { return strconv.Itoa(c.Host.Port) }),
	memoryParameter("proto-max-bulk-len", func(c *Config) *int64 { return &c.ProtoMaxBulk }),
	yesNo("protected-mode", func(c *Config) *bool { return &c.ProtectedMode }),
	{name: "requirepass", get: func(c *Context) string { return c.Config.Password }, set: setPassword, secret: true},
	constant("save", ""),
	limit("set-max-intset-entries", datastructs.SetIntsetEntries),
	integer("slowlog-log-slower-than", -1, math.MaxInt64, func(c *Config) *int64 { return &c.SlowlogSlowerThan }),
	integer("slowlog-max-len", 0, math.MaxInt64, func(c *Config) *int64 { return &c.SlowlogMaxLen }),
	integer("tcp-keepalive", 0, math.MaxInt32, func(c *Config) *int64 { return &c.KeepAlive }),
	seconds("timeout", func(c *Config) *int64 { return &c.Timeouts.Idle }),
	own("tls-auth-clients", func(c *Context) string { return c.Host.TLS.AuthClients }),
	own("tls-ca-cert-file", func(c *Context) string { return c.Host.TLS.CA }),
	own("tls-cert-file", func(c *Context) string { return c.Host.TLS.Cert }),
	own("tls-key-file", func(c *Context) string { return c.Host.TLS.Key }),
	own("tls-port", func(c *Context) string { return strconv.Itoa(c.Host.TLSPort) }),
	integer("tracking-table-max-keys", 0, math.MaxInt64, func(c *Config) *int64 { return &c.TrackingMaxKeys }),
	integer("unauthenticated-clients-percent", 1, 100, func(c *Config) *int64 { return &c.UnauthenticatedPercent }),
	own("unixsocket", func(c *Context) string { return c.Host.Socket }),
	own("unixsocketperm", func(c *Context) string { return strconv.FormatInt(c.Host.SocketMode, 8) }),
	limit("zset-max-listpack-entries", datastructs.SortedSetListpackEntries),
	limit("zset-max-listpack-value", datastructs.SortedSetListpackValue),
	limit("zset-max-ziplist-entries", datastructs.SortedSetListpackEntries),
	limit("zset-max-ziplist-value", datastructs.SortedSetListpackValue),
}

// parameterNamed returns the place of a parameter, named in any case, or -1.
func parameterNamed(name []byte) int {
	for i := range parameters {
		if Is(name, strings.ToUpper(parameters[i].name)) {
			return i
		}
	}
	return -1
}

// ConfigNames lists the parameters that Config.Set takes, in order.
func ConfigNames() []string {
	var names []string
	for _, p := range parameters {
		if p.set != nil {
			names = append(names, p.name)
		}
	}
	return names
}

// Set is CONFIG SET for a server that has not started yet. Parameters that
// redis-server fixes when it starts are not among those it knows.
func (c *Config) Set(name, value string) error {
	at := parameterNamed([]byte(name))
	if at < 0 || parameters[at].set == nil {
		return fmt.Errorf("%s: not a parameter that can be set", name)
	}
	draft := *c
	if err := parameters[at].set(&draft, value); err != nil {
		return fmt.Errorf("%s %q: %w", name, shown(&parameters[at], []byte(value)), err)
	}
	c.apply(draft)
	return nil
}

// apply puts a draft in force.
func (c *Config) apply(draft Config) {
	before := c.LogLevel
	*c = draft
	if draft.LogLevel != before {
		draft.SetLogLevel(draft.LogLevel)
	}
}
