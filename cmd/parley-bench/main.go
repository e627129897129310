// Command parley-bench times the commands of the chat schema on redis-server
// and on parley with redis-benchmark, alternating within one run, and prints
// the ratios. On a shared machine only ratios of adjacent runs are meaningful;
// requests per second are not.
//
// It needs redis-server and redis-benchmark in the PATH.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "parley-bench:", err)
		os.Exit(1)
	}
}

// calls are the commands of the schema; __rand_int__ becomes a random ID.
var calls = [][]string{
	{"PING"},
	{"SETNX", "user:name:__rand_int__", "0"},
	{"INCR", "user:count"},
	{"SET", "user:name:__rand_int__", "1"},
	{"HSET", "user:__rand_int__", "username", "user", "password", "secret"},
	{"HGETALL", "user:__rand_int__"},
	{"SADD", "user:online", "__rand_int__"},
	{"SREM", "user:online", "__rand_int__"},
	{"SISMEMBER", "user:online", "__rand_int__"},
	{"SCARD", "user:online"},
	{"HSET", "message:__rand_int__", "time", "1615480369", "room", "1", "from", "7", "data", "a message of some forty characters, as in a chat"},
	{"ZADD", "room:1:messages", "__rand_int__", "__rand_int__"},
	{"ZREVRANGE", "room:1:messages", "0", "49"},
	{"ZRANGEBYSCORE", "room:1:messages", "1", "+inf", "WITHSCORES", "LIMIT", "0", "50"},
	{"ZCARD", "room:1:messages"},
	{"ZCOUNT", "room:1:messages", "__rand_int__", "+inf"},
	{"ZREM", "room:1:messages", "__rand_int__"},
	{"PUBLISH", "message", "{'serverId': 4132, 'type': 'message'}"},
}

type settings struct {
	requests, clients, rounds, keys int
	parley                          string
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	f := flag.NewFlagSet("parley-bench", flag.ContinueOnError)
	f.IntVar(&s.requests, "n", 50000, "requests a run")
	f.IntVar(&s.clients, "c", 50, "parallel connections")
	f.IntVar(&s.rounds, "rounds", 5, "runs of each command on each server")
	f.IntVar(&s.keys, "r", 10000, "range of the random ids")
	f.StringVar(&s.parley, "parley", "", "binary to time (default: build it)")
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "parley-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if s.parley == "" {
		s.parley = dir + "/parley"
		build := exec.CommandContext(ctx, "go", "build", "-o", s.parley, "github.com/parley-chat/parley/cmd/parley")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building parley: %w", err)
		}
	}
	redis, stopRedis, err := startRedis(ctx, dir)
	if err != nil {
		return err
	}
	defer stopRedis()
	parley, stopParley, err := startParley(ctx, s.parley)
	if err != nil {
		return err
	}
	defer stopParley()
	return compare(ctx, s, redis, parley, out)
}

// compare prints, for each command, unpipelined and with a pipeline of 16, the
// ratio of parley's requests per second to Redis's: the median of the rounds,
// the minimum and the maximum.
func compare(ctx context.Context, s settings, redis, parley string, out io.Writer) error {
	fmt.Fprintf(out, "parley / redis-server, requests per second: median (min-max) of %d rounds, %d requests, %d connections\n", s.rounds, s.requests, s.clients)
	fmt.Fprintf(out, "%-40s %-22s %-22s\n", "", "one at a time", "16 deep")
	for _, call := range calls {
		row := fmt.Sprintf("%-40s", label(call))
		for _, depth := range []int{1, 16} {
			ratios := make([]float64, 0, s.rounds)
			for round := range s.rounds {
				// alternate, so that neither server always runs on a warm
				// machine
				first, second := redis, parley
				if round%2 == 1 {
					first, second = parley, redis
				}
				a, err := s.benchmark(ctx, first, depth, call)
				if err != nil {
					return err
				}
				b, err := s.benchmark(ctx, second, depth, call)
				if err != nil {
					return err
				}
				if first == parley {
					a, b = b, a
				}
				ratios = append(ratios, b/a)
			}
			slices.Sort(ratios)
			row += fmt.Sprintf(" %-22s", fmt.Sprintf("%.2f (%.2f-%.2f)", ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1]))
		}
		fmt.Fprintln(out, strings.TrimRight(row, " "))
	}
	return nil
}

func label(call []string) string {
	text := strings.ReplaceAll(strings.Join(call, " "), "__rand_int__", "*")
	if len(text) > 40 {
		text = text[:37] + "..."
	}
	return text
}

// benchmark returns requests per second.
func (s settings) benchmark(ctx context.Context, port string, depth int, call []string) (float64, error) {
	args := []string{
		"-h", "127.0.0.1", "-p", port, "--csv",
		"-n", strconv.Itoa(s.requests), "-c", strconv.Itoa(s.clients),
		"-r", strconv.Itoa(s.keys), "-P", strconv.Itoa(depth),
	}
	out, err := exec.CommandContext(ctx, "redis-benchmark", append(args, call...)...).Output()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark %s: %w", strings.Join(call, " "), err)
	}
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) < 2 {
		return 0, fmt.Errorf("redis-benchmark %s: unexpected output %q", strings.Join(call, " "), out)
	}
	return strconv.ParseFloat(rows[1][1], 64)
}

func startRedis(ctx context.Context, dir string) (port string, stop func(), err error) {
	port, err = freePort()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir, "--loglevel", "warning")
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	for range 100 {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			return port, stop, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("redis-server does not listen")
}

func startParley(ctx context.Context, binary string) (port string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, binary, "--port", "0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("parley does not start: %w", err)
	}
	_, port, err = net.SplitHostPort(strings.TrimPrefix(strings.TrimSpace(line), "ready redis://"))
	return port, stop, err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
