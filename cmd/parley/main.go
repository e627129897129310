// Command parley is a chat server that speaks the Redis protocol.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/server"
	"github.com/parley-chat/parley/server/ops"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	go handleSignals(stop)
	if err := run(ctx, takeArguments(), os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "parley:", err)
		os.Exit(1)
	}
}

// handleSignals calls stop at the first SIGINT or SIGTERM and exits at the second, whatever
// the parent process has set for these signals. It ignores SIGHUP, as redis-server does:
// daemons get it when a certificate has changed, and the next connection reads that anyway.
func handleSignals(stop func()) {
	signal.Ignore(syscall.SIGHUP)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	<-signals
	stop()
	<-signals
	os.Exit(1)
}

const usage = `Usage: parley [options]

A chat server that speaks the Redis protocol. Options, with one dash or two:

  --port n             TCP port; 0 picks a free one, or with --tls-port none, as
                       in Redis (default 6379)
  --bind address       one address to listen on, * for all (default 127.0.0.1)
  --tls-port n         port for TLS; 0 is none (default 0). With it:
  --tls-cert-file path, --tls-key-file path
                       the server's certificate and its key, in PEM; they are
                       read again when they change
  --tls-ca-cert-file path
                       CA certificates that client certificates are checked against
  --tls-auth-clients yes
                       whether clients need certificates: yes, no, or optional
                       (default yes)
  --unixsocket path    unix socket to listen on as well
  --unixsocketperm 700 permissions of the unix socket, in octal (default: by umask)
  --databases n        number of databases (default 16)
  --requirepass-file path
                       file with the password for clients, on one line. Or set
                       PARLEY_REQUIREPASS in the environment
  --requirepass text   the password itself. Insecure: other users of this machine can
                       read command lines, and shells keep them in their history
  --aclfile path       ACL file, which must exist; excludes a password
  --loglevel level     debug, verbose, notice or warning (default notice)
  --logformat format   text or json (default text)
  --http address       address of /metrics, /healthz and /debug/pprof/: :9121 for this
                       machine only, 0.0.0.0:9121 for all interfaces; no password
                       (default: none)
  --strict             reject SINTER over a sorted set, as Redis does
  --enable-debug-command yes
                       which clients may send DEBUG: no, local or yes (default no)
  --NAME value         any parameter of CONFIG SET. The most important ones:
    --maxclients 100     maximum number of connections (default 10000)
    --maxmemory 2gb      memory limit for data and clients (default: no limit)
    --maxmemory-policy allkeys-lru
                         eviction policy when maxmemory is reached (default
                         noeviction: reject writes)
    --auth-failure-rate 5
                         rate limit of failed authentications: per second, for one
                         address (default 5). Clients behind one NAT or proxy share
                         the limit: see docs/OPERATIONS.md. Loopback is exempt
                         unless auth-failure-loopback is yes
    --timeout 300        idle timeout of clients in seconds (default: none)
    --protected-mode no  accept clients of other machines without a password
                         (default yes: reject them)
  --test               test mode: the command TEST controls the clock, saves and
                       restores snapshots, waits, and injects faults (see TEST HELP,
                       docs/TESTING.md); exits at the end of standard input;
                       listens on loopback only, on a free port if none is given;
                       allows DEBUG; logs warnings only
  --seed n             with --test: seed of the random source, for repeatable runs
  --adversarial-scans  with --test: SCAN, SSCAN, HSCAN and ZSCAN return empty pages and
                       duplicate elements, as Redis may
  --version            print the version
  --help               print this

Once it accepts connections it prints one line, "ready redis://HOST:PORT", or
"ready rediss://HOST:PORT" if it listens with TLS only.
Logs go to standard error.
`

// run is the program without signals and exit codes. It returns when ctx is done or a
// client sends SHUTDOWN; with --test also at the end of stdin.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = io.WriteString(stdout, usage)
		return err
	case err != nil:
		return err
	case o.version:
		_, err = fmt.Fprintf(stdout, "parley %s (Redis %s)\n", server.Version, server.RedisVersion)
		return err
	}
	os.Unsetenv(passwordVariable) // child processes must not inherit it
	return serve(ctx, o, stdin, stdout, stderr)
}

func serve(ctx context.Context, o options, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, shutdown := context.WithCancel(ctx)
	defer shutdown()
	o.server.Shutdown, o.server.MaxMemory, o.server.FreeMemory = shutdown, limitHeap, debug.FreeOSMemory
	o.server.Logger = newLogger(stderr, o.json, o.server.LogLevel)
	o.logWarnings(o.server.Logger)
	start := server.Start
	if o.test {
		start, o.server.FreeMemory = startForTests, nil // a test's clock would wait for the call
		go untilEOF(stdin, shutdown)
	}
	s, err := start(o.server)
	if err != nil {
		return err
	}
	closePage := func() error { return nil }
	if o.http != "" {
		if closePage, err = openPage(s, o.http, o.server.Logger); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	if addr := s.Addr(); addr != "" {
		fmt.Fprintf(stdout, "ready redis://%s\n", addr)
	} else {
		fmt.Fprintf(stdout, "ready rediss://%s\n", s.TLSAddr())
	}
	<-ctx.Done()
	return errors.Join(s.Close(), closePage()) // the page reports the closing server meanwhile
}

func newLogger(out io.Writer, json bool, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(slog.NewJSONHandler(out, o))
	}
	return slog.New(slog.NewTextHandler(out, o))
}

func openPage(s *server.Server, addr string, logger *slog.Logger) (closePage func() error, err error) {
	page, err := ops.Start(s, addr, logger)
	if err != nil {
		return nil, err
	}
	logger.Info("page for operators", "url", "http://"+page.Addr()+"/")
	if !page.Local() {
		logger.Warn("the page for operators has no password and is reachable from other machines")
	}
	return page.Close, nil
}

// options holds what the command line says.
type options struct {
	server  server.Options
	http    string // address of the page for operators; empty: no page
	json    bool   // log format
	test    bool
	version bool

	flags    flagValues
	warnings []warning
}

// flagValues holds the flags that are checked or converted before they become Options.
type flagValues struct {
	port, tlsPort       int
	bind                string
	logLevel, logFormat string
	debug               string
	passwordFile        string
	given               map[string]bool // names of the flags on the command line
}

// parse turns the command line into options. The error is flag.ErrHelp after --help.
func parse(args []string) (options, error) {
	o := options{server: server.Options{LogLevel: new(slog.LevelVar), Config: make(map[string]string)}}
	f := flag.NewFlagSet("parley", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	o.defineFlags(f)
	o.defineParameters(f)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.flags.given = make(map[string]bool)
	f.Visit(func(f *flag.Flag) { o.flags.given[f.Name] = true })
	if f.NArg() > 0 {
		return o, unexpected(f, o.flags.given)
	}
	if o.version {
		return o, nil
	}
	for _, step := range []func() error{
		o.applyTestMode, o.choosePassword, o.warnOfOpenFiles, o.setAddresses, o.checkDatabases, o.setDebug, o.setLog,
	} {
		if err := step(); err != nil {
			return o, err
		}
	}
	return o, nil
}

// defineFlags defines the options that are not parameters of CONFIG SET.
func (o *options) defineFlags(f *flag.FlagSet) {
	v := &o.flags
	f.IntVar(&v.port, "port", 6379, "")
	f.IntVar(&v.tlsPort, "tls-port", 0, "")
	f.StringVar(&o.server.TLSFiles.Cert, "tls-cert-file", "", "")
	f.StringVar(&o.server.TLSFiles.Key, "tls-key-file", "", "")
	f.StringVar(&o.server.TLSFiles.CA, "tls-ca-cert-file", "", "")
	f.StringVar(&o.server.TLSFiles.AuthClients, "tls-auth-clients", "", "")
	f.StringVar(&v.bind, "bind", "127.0.0.1", "")
	f.StringVar(&o.server.Socket, "unixsocket", "", "")
	f.Func("unixsocketperm", "", func(value string) (err error) {
		o.server.SocketMode, err = parseMode(value)
		return err
	})
	f.IntVar(&o.server.Databases, "databases", 16, "")
	f.StringVar(&o.server.Password, "requirepass", "", "")
	f.StringVar(&v.passwordFile, "requirepass-file", "", "")
	f.StringVar(&o.server.ACLFile, "aclfile", "", "")
	f.StringVar(&v.logLevel, "loglevel", "notice", "")
	f.StringVar(&v.logFormat, "logformat", "text", "")
	f.StringVar(&o.http, "http", "", "")
	f.BoolVar(&o.server.Strict, "strict", false, "")
	f.StringVar(&v.debug, "enable-debug-command", "no", "")
	f.BoolVar(&o.test, "test", false, "")
	f.Uint64Var(&o.server.Seed, "seed", 0, "")
	f.BoolVar(&o.server.AdversarialScans, "adversarial-scans", false, "")
	f.BoolVar(&o.version, "version", false, "")
}

// defineParameters defines an option for each other parameter of CONFIG SET.
// server.New checks their values.
func (o *options) defineParameters(f *flag.FlagSet) {
	for _, name := range commands.ConfigNames() {
		if f.Lookup(name) == nil {
			f.Func(name, "", func(value string) error {
				o.server.Config[name] = value
				return nil
			})
		}
	}
}

// setAddresses sets where the server listens.
func (o *options) setAddresses() error {
	v := &o.flags
	if v.port < 0 || v.port > 65535 {
		return fmt.Errorf("port %d: want 0 to 65535", v.port)
	}
	if v.tlsPort < 0 || v.tlsPort > 65535 {
		return fmt.Errorf("tls-port %d: want 0 to 65535", v.tlsPort)
	}
	switch v.bind {
	case "":
		return errors.New("bind: want an address, or * for all")
	case "*":
		v.bind = ""
	}
	if v.tlsPort != 0 {
		o.server.TLSAddr = net.JoinHostPort(v.bind, strconv.Itoa(v.tlsPort))
	}
	if v.port != 0 || v.tlsPort == 0 { // as in Redis, --port 0 with --tls-port disables the plain port
		o.server.Addr = net.JoinHostPort(v.bind, strconv.Itoa(v.port))
	}
	return nil
}

func (o *options) checkDatabases() error {
	if o.server.Databases < 1 {
		return fmt.Errorf("databases %d: want at least 1", o.server.Databases)
	}
	return nil
}

// setDebug sets which clients may send DEBUG.
func (o *options) setDebug() error {
	o.server.Debug = commands.DebugAccess(o.flags.debug)
	if !slices.Contains(commands.DebugAccesses, o.server.Debug) {
		return fmt.Errorf("enable-debug-command %q: want no, local or yes", o.flags.debug)
	}
	return nil
}

// setLog sets the level and the format of the log.
func (o *options) setLog() error {
	v := &o.flags
	if v.logFormat != "text" && v.logFormat != "json" {
		return fmt.Errorf("logformat %q: want text or json", v.logFormat)
	}
	o.json = v.logFormat == "json"
	level, ok := server.ParseLogLevel(v.logLevel)
	if !ok {
		return fmt.Errorf("loglevel %q: want debug, verbose, notice or warning", v.logLevel)
	}
	o.server.LogLevel.Set(level)
	return nil
}

// parseMode reads permissions as redis-server does.
func parseMode(octal string) (fs.FileMode, error) {
	n, err := strconv.ParseInt(octal, 8, 64)
	switch {
	case err != nil:
		return 0, errors.New("argument couldn't be parsed as an octal number")
	case n < 0 || n > 0o777:
		return 0, errors.New("argument must be between 0 and 777 inclusive")
	}
	return fs.FileMode(n), nil
}
