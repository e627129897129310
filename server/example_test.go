package server_test

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/server"
)

func Example() {
	s, err := server.Start(server.Options{}) // listens on a free loopback port
	if err != nil {
		panic(err)
	}
	defer s.Close()

	ctx := context.Background()
	s.Do(ctx, "ZADD", "room:1:users", 1615480369, "1", 1615480370, "2")
	s.Do(ctx, "SADD", "user:online", "2")
	online, err := s.Do(ctx, "SINTER", "room:1:users", "user:online")
	fmt.Println(online.Strings(), err)
	// Output: [2] <nil>
}

func ExampleServer_Do() {
	s, _ := server.New(server.Options{}) // no network
	defer s.Close()

	ctx := context.Background()
	added, _ := s.Do(ctx, "HSET", "user:1", "username", "ann", "password", "x")
	user, _ := s.Do(ctx, "HGETALL", "user:1")
	_, err := s.Do(ctx, "INCR", "user:1")
	fmt.Println(added.Int, user.Map()["username"], err == commands.ErrWrongType)
	// Output: 2 ann true
}

// A connection in memory takes any Redis client that can be given a connection
// or a dialer. With go-redis:
//
//	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:0", Dialer: s.DialContext})
func ExampleServer_Dial() {
	s, _ := server.New(server.Options{})
	defer s.Close()

	conn, _ := s.Dial()
	defer conn.Close()
	fmt.Fprint(conn, "SUBSCRIBE message\r\n")
	replies := resp.NewReader(conn)
	replies.Read() // the confirmation

	s.Do(context.Background(), "PUBLISH", "message", "Hello")
	message, _ := replies.Read()
	fmt.Println(message.Strings())
	// Output: [message message Hello]
}

func ExampleManualClock() {
	clock := server.NewManualClock(time.Date(2021, 3, 11, 16, 32, 49, 0, time.UTC))
	s, _ := server.New(server.Options{Clock: clock})
	defer s.Close()

	ctx := context.Background()
	s.Do(ctx, "SET", "user:1:heartbeat", "here", "EX", 30)
	clock.Advance(31 * time.Second)
	beat, _ := s.Do(ctx, "GET", "user:1:heartbeat")
	fmt.Println(beat)
	// Output: (nil)
}
