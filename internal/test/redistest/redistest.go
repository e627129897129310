// Package redistest runs a real redis-server for tests that compare parley with
// it. Without one these tests are skipped; with PARLEY_REQUIRE_REDIS=1 in the
// environment, as in CI, they fail.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/commands/resp"
)

// Version is the only accepted version of Redis: the one whose behaviour parley
// implements.
const Version = "7.0.15"

// requireRedis is the environment variable that makes a missing Redis a
// failure.
const requireRedis = "PARLEY_REQUIRE_REDIS"

// patience is the timeout of a Redis for its start and its replies.
const patience = 3 * time.Minute

// A Redis is a redis-server that belongs to one test.
type Redis struct {
	addr, socket, dir string
	password          string

	process *exec.Cmd
	log     log
}

// Need skips the test, or fails it, if there is no redis-server of the right
// version.
func Need(t testing.TB) { find(t, "redis-server") }

// CLI returns the path of redis-cli, of the right version. Without one the test
// is skipped, or fails.
func CLI(t testing.TB) string { return find(t, "redis-cli") }

// find returns the path of one of Redis's programs.
func find(t testing.TB, program string) string {
	t.Helper()
	path, err := programs[program]()
	switch {
	case err == nil:
		return path
	case os.Getenv(requireRedis) == "1":
		t.Fatalf("%v (%s=1)", err, requireRedis)
	}
	t.Skip(err)
	return ""
}

var programs = map[string]func() (string, error){
	"redis-server": sync.OnceValues(func() (string, error) { return look("redis-server", "v="+Version+" ") }),
	"redis-cli":    sync.OnceValues(func() (string, error) { return look("redis-cli", "redis-cli "+Version+"\n") }),
}

// look finds a program whose --version prints the right version.
func look(program, version string) (path string, err error) {
	path, err = exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("needs %s %s: %w", program, Version, err)
	}
	out, err := exec.Command(path, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("needs %s %s: %s --version: %w", program, Version, path, err)
	}
	if !strings.Contains(string(out), version) {
		return "", fmt.Errorf("needs %s %s: %s is %s", program, Version, path, strings.TrimSpace(string(out)))
	}
	return path, nil
}

// Start starts a redis-server that ends with the test. It is empty, listens on
// a free loopback port and a unix socket, and writes nothing to disk. args are
// passed on ("--requirepass", "secret"). Without a redis-server see Need.
func Start(t testing.TB, args ...string) *Redis {
	t.Helper()
	path := find(t, "redis-server")
	var r *Redis
	var err error
	for range 5 { // another process may take the port before Redis does
		r, err = start(path, args)
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		t.Fatalf("redis-server: %v", err)
	}
	t.Cleanup(r.stop)
	if err := r.verify(); err != nil {
		t.Fatalf("redis-server: %v", err)
	}
	return r
}

// Addr is the TCP address, "127.0.0.1:41234".
func (r *Redis) Addr() string { return r.addr }

// Socket is the path of the unix socket.
func (r *Redis) Socket() string { return r.socket }

// Dial returns a connection through the unix socket.
func (r *Redis) Dial() (net.Conn, error) { return net.Dial("unix", r.socket) }

var errPortTaken = errors.New("the port is taken")

func start(path string, args []string) (*Redis, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	// t.TempDir is too long a path for a socket
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		return nil, err
	}
	r := &Redis{
		addr:     net.JoinHostPort("127.0.0.1", port),
		socket:   filepath.Join(dir, "socket"),
		dir:      dir,
		password: password(args),
	}
	r.process = exec.Command(path, append([]string{
		"--port", port, "--bind", "127.0.0.1", "--unixsocket", r.socket,
		"--dir", dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
	}, args...)...)
	r.process.Env = append(os.Environ(), "LC_ALL=C")
	endWithParent(r.process)
	if err := r.run(); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// freePort returns a port that is free at the moment.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

func password(args []string) string {
	if i := slices.Index(args, "--requirepass"); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// run starts the process and waits until it logs that it listens.
func (r *Redis) run() error {
	out, err := r.process.StdoutPipe()
	if err != nil {
		return err
	}
	r.process.Stderr = r.process.Stdout
	if err := r.process.Start(); err != nil {
		return err
	}
	r.log.ready, r.log.ended = make(chan struct{}), make(chan struct{})
	go r.log.read(out)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.log.ready:
		return nil
	case <-r.log.ended:
		if strings.Contains(r.log.String(), "Address already in use") {
			return errPortTaken
		}
		return fmt.Errorf("it ended at once:\n%s", r.log.String())
	case <-timer.C:
		return fmt.Errorf("not ready after %v:\n%s", patience, r.log.String())
	}
}

// stop kills the process, which has no data to keep, and waits for its end.
func (r *Redis) stop() {
	if r.process.Process != nil {
		r.process.Process.Kill()
		<-r.log.ended
		r.process.Wait()
	}
	os.RemoveAll(r.dir)
}

// verify checks that the process listening on both addresses is the one that
// was started, and not another that took the same free port.
func (r *Redis) verify() error {
	for _, where := range [][2]string{{"tcp", r.addr}, {"unix", r.socket}} {
		conn, err := net.Dial(where[0], where[1])
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		pid, err := r.processID(conn)
		if err != nil {
			return err
		}
		if want := strconv.Itoa(r.process.Process.Pid); pid != want {
			return fmt.Errorf("at %s answers process %s, not %s", where[1], pid, want)
		}
	}
	return nil
}

func (r *Redis) processID(conn net.Conn) (string, error) {
	replies := resp.NewReader(conn)
	if r.password != "" {
		if _, err := fmt.Fprintf(conn, "*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n", len(r.password), r.password); err != nil {
			return "", err
		}
		if v, err := replies.Read(); err != nil || v.Err() != nil {
			return "", fmt.Errorf("AUTH: %w", errors.Join(err, v.Err()))
		}
	}
	if _, err := io.WriteString(conn, "INFO server\r\n"); err != nil {
		return "", err
	}
	v, err := replies.Read()
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(v.Text(), "\nprocess_id:")
	pid, _, _ := strings.Cut(rest, "\r")
	return pid, v.Err()
}

// A log collects what a redis-server prints, and notices when it listens.
type log struct {
	mu   sync.Mutex // guards text
	text strings.Builder

	ready, ended chan struct{} // closed when that has happened
}

func (l *log) read(r io.Reader) {
	defer close(l.ended)
	ready := false
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		l.mu.Lock()
		l.text.WriteString(lines.Text() + "\n")
		l.mu.Unlock()
		// the last of several lines, one per address; all listen by then
		if !ready && strings.Contains(lines.Text(), "eady to accept connections") {
			ready = true
			close(l.ready)
		}
	}
}

// String returns everything printed so far.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
