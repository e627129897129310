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
	go obeySignals(stop)
	if err := run(ctx, takeArguments(), os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "parley:", err)
		os.Exit(1)
	}
}

// obeySignals ends the program in an orderly way at the first signal, and at
// once at the second, whatever the parent had these signals do. Daemons are sent
// SIGHUP when a certificate has changed: as redis-server does, it goes on (the
// next connection sees that itself).
func obeySignals(stop func()) {
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
                       certificates that vouch for clients
  --tls-auth-clients yes
                       whether clients need certificates: yes, no, or optional
                       (default yes)
  --unixsocket path    unix socket to listen on as well
  --unixsocketperm 700 who may connect to it, in octal (default: what the umask leaves)
  --databases n        number of databases (default 16)
  --requirepass-file path
                       file that holds the password that clients must present, in
                       one line. Or set PARLEY_REQUIREPASS in the environment
  --requirepass text   the password itself. Others on this machine can read a command
                       line, and a shell keeps it: rather use one of the two above
  --aclfile path       file of users, which must exist; instead of a password
  --loglevel level     debug, verbose, notice or warning (default notice)
  --logformat form     text or json (default text)
  --http address       where operators find /metrics, /healthz and /debug/pprof/, as
                       in :9121 for this machine only, 0.0.0.0:9121 for all; without
                       a password (default: nowhere)
  --strict             refuse what Redis refuses: SINTER over a sorted set
  --enable-debug-command who
                       who may send DEBUG: no, local or yes (default no)
  --NAME value         any parameter of CONFIG SET. Those that matter most:
    --maxclients 100     connections at most (default 10000)
    --maxmemory 2gb      memory for data and clients at most (default: any)
    --maxmemory-policy allkeys-lru
                         what goes when that is full (default noeviction: nothing,
                         and writes are refused)
    --auth-failure-rate 5
                         wrong passwords a second from one address (default 5). All
                         clients behind a NAT or a proxy are one address: they wait
                         for each other to log in; docs/OPERATIONS.md says what to
                         do. This machine is exempt, unless auth-failure-loopback
                         is yes
    --timeout 300        seconds after which idle clients are closed (default: never)
    --protected-mode no  let in who comes over a network without a password
                         (default yes: do not)
  --test               serve one run of tests: the command TEST moves time on, keeps
                       and restores states, waits, and makes things fail (see TEST
                       HELP, docs/TESTING.md); ends when standard input does;
                       listens on this machine only, on a free port if none is
                       given; DEBUG is allowed; logs warnings only
  --seed n             with --test: makes what is random repeatable
  --adversarial-scans  with --test: SCAN and its kin return empty pages, and elements
                       twice, as Redis may
  --version            print the version
  --help               print this

Once it accepts connections it prints one line, "ready redis://HOST:PORT", or
"ready rediss://HOST:PORT" if it listens with TLS only.
Logs go to standard error.
`

// run is main as a function: it returns when ctx is done or a client has sent
// SHUTDOWN; with --test also when stdin ends.
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
	os.Unsetenv(passwordVariable) // what the process starts is not to inherit it
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
		start, o.server.FreeMemory = startForTests, nil // the clock of tests would wait for it
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
	return errors.Join(s.Close(), closePage()) // meanwhile the page tells that it closes
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
		logger.Warn("the page for operators asks for no password, and not only this machine reaches it")
	}
	return page.Close, nil
}

// options are what the command line says.
type options struct {
	server  server.Options
	http    string // address of the page for operators, or ""
	json    bool   // form of the log
	test    bool
	version bool

	warnings []warning
}

func parse(args []string) (options, error) {
	o := options{server: server.Options{LogLevel: new(slog.LevelVar), Config: make(map[string]string)}}
	port, tlsPort, bind, level, debug, form, passwordFile := 6379, 0, "127.0.0.1", "notice", "no", "text", ""
	f := flag.NewFlagSet("parley", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&port, "port", port, "")
	f.IntVar(&tlsPort, "tls-port", 0, "")
	f.StringVar(&o.server.TLSFiles.Cert, "tls-cert-file", "", "")
	f.StringVar(&o.server.TLSFiles.Key, "tls-key-file", "", "")
	f.StringVar(&o.server.TLSFiles.CA, "tls-ca-cert-file", "", "")
	f.StringVar(&o.server.TLSFiles.AuthClients, "tls-auth-clients", "", "")
	f.StringVar(&bind, "bind", bind, "")
	f.StringVar(&o.server.Socket, "unixsocket", "", "")
	f.Func("unixsocketperm", "", func(value string) (err error) {
		o.server.SocketMode, err = parseMode(value)
		return err
	})
	f.IntVar(&o.server.Databases, "databases", 16, "")
	f.StringVar(&o.server.Password, "requirepass", "", "")
	f.StringVar(&passwordFile, "requirepass-file", "", "")
	f.StringVar(&o.server.ACLFile, "aclfile", "", "")
	f.StringVar(&level, "loglevel", level, "")
	f.StringVar(&form, "logformat", form, "")
	f.StringVar(&o.http, "http", "", "")
	f.BoolVar(&o.server.Strict, "strict", false, "")
	f.StringVar(&debug, "enable-debug-command", debug, "")
	f.BoolVar(&o.test, "test", false, "")
	f.Uint64Var(&o.server.Seed, "seed", 0, "")
	f.BoolVar(&o.server.AdversarialScans, "adversarial-scans", false, "")
	f.BoolVar(&o.version, "version", false, "")
	for _, name := range commands.ConfigNames() {
		if f.Lookup(name) == nil {
			f.Func(name, "", func(value string) error {
				o.server.Config[name] = value // New judges it
				return nil
			})
		}
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	given := make(map[string]bool)
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if f.NArg() > 0 {
		return o, unexpected(f, given)
	}
	if o.version {
		return o, nil
	}
	if err := o.forTests(given, bind, &port, &debug, &level); err != nil {
		return o, err
	}
	if err := o.choosePassword(given, passwordFile); err != nil {
		return o, err
	}
	o.warnOfOpenFiles()
	if port < 0 || port > 65535 {
		return o, fmt.Errorf("port %d: want 0 to 65535", port)
	}
	if tlsPort < 0 || tlsPort > 65535 {
		return o, fmt.Errorf("tls-port %d: want 0 to 65535", tlsPort)
	}
	switch bind {
	case "":
		return o, errors.New("bind: want an address, or * for all")
	case "*":
		bind = ""
	}
	if o.server.Databases < 1 {
		return o, fmt.Errorf("databases %d: want at least 1", o.server.Databases)
	}
	o.server.Debug = commands.DebugAccess(debug)
	if !slices.Contains(commands.DebugAccesses, o.server.Debug) {
		return o, fmt.Errorf("enable-debug-command %q: want no, local or yes", debug)
	}
	if form != "text" && form != "json" {
		return o, fmt.Errorf("logformat %q: want text or json", form)
	}
	o.json = form == "json"
	l, ok := server.ParseLogLevel(level)
	if !ok {
		return o, fmt.Errorf("loglevel %q: want debug, verbose, notice or warning", level)
	}
	o.server.LogLevel.Set(l)
	if tlsPort != 0 {
		o.server.TLSAddr = net.JoinHostPort(bind, strconv.Itoa(tlsPort))
	}
	if port != 0 || tlsPort == 0 { // who has "--port 0 --tls-port n" from Redis wants no port without TLS
		o.server.Addr = net.JoinHostPort(bind, strconv.Itoa(port))
	}
	return o, nil
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
