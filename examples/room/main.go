// Command room is a chat room: two users sign up, join a room and talk, until one of
// them loses the connection and goes offline.
//
// The application is in chat.go. All its commands work on a Redis server, too.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/parley-chat/parley/server"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run plays the story and prints it. The clock of this server stands still until the
// program moves it, so 40 seconds pass in no time. A real chat leaves Options.Clock out.
func run(ctx context.Context, out io.Writer) (err error) {
	clock := server.NewManualClock(time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC))
	s, err := server.New(server.Options{
		Clock:  clock,
		Config: map[string]string{"notify-keyspace-events": "Ex"}, // publish which keys expire
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	events, err := subscribe(s, "message", "__keyevent@0__:expired")
	if err != nil {
		return err
	}
	defer events.close()

	c := &chat{db: s, serverID: 1, now: s.Now}
	ann, err := c.signUp(ctx, "ann")
	if err != nil {
		return err
	}
	bob, err := c.signUp(ctx, "bob")
	if err != nil {
		return err
	}
	if _, err := c.signUp(ctx, "bob"); !errors.Is(err, errNameTaken) {
		return fmt.Errorf("a second bob: %w", err)
	}

	room, err := c.openRoom(ctx, "lobby")
	if err != nil {
		return err
	}
	for _, user := range []string{ann, bob} {
		if err := errors.Join(c.join(ctx, room, user), c.heartbeat(ctx, user)); err != nil {
			return err
		}
	}
	if err := printOnline(ctx, out, c, room); err != nil {
		return err
	}

	for _, m := range []struct{ from, text string }{{ann, "Hello, bob"}, {bob, "Hi! I have to go soon"}} {
		clock.Advance(time.Second)
		if err := c.say(ctx, room, m.from, m.text); err != nil {
			return err
		}
		if err := printEvent(ctx, out, c, events); err != nil {
			return err
		}
	}

	// Bob's heartbeats stop. Ann's do not.
	for range 4 {
		clock.Advance(10 * time.Second)
		if err := c.heartbeat(ctx, ann); err != nil {
			return err
		}
	}
	if err := printEvent(ctx, out, c, events); err != nil {
		return err
	}
	if err := printOnline(ctx, out, c, room); err != nil {
		return err
	}

	// Messages that were published while a user was away are still in the room.
	messages, err := c.messagesSince(ctx, room, clock.Now().Add(-time.Hour))
	if err != nil {
		return err
	}
	for _, m := range messages {
		fmt.Fprintln(out, "history:", m["data"])
	}
	return nil
}

// printEvent waits for the next message of a subscription and handles it, as an
// application server does in a loop.
func printEvent(ctx context.Context, out io.Writer, c *chat, events *subscription) error {
	channel, payload, err := events.next()
	if err != nil {
		return err
	}
	if user, isPresence := strings.CutPrefix(payload, "presence:"); isPresence && channel != "message" {
		name, err := c.goOffline(ctx, user)
		fmt.Fprintln(out, name, "is offline")
		return err
	}
	var e event
	if err := json.Unmarshal([]byte(payload), &e); err != nil {
		return err
	}
	name, err := c.username(ctx, e.Data.From)
	fmt.Fprintf(out, "%s: %s\n", name, e.Data.Message)
	return err
}

func printOnline(ctx context.Context, out io.Writer, c *chat, room string) error {
	names, err := c.online(ctx, room)
	fmt.Fprintln(out, "online:", strings.Join(names, ", "))
	return err
}
