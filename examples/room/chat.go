package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/commands/resp"
)

var errNameTaken = errors.New("this name is taken")

// A chat is the application. It keeps its data under these keys:
//
//	user:name:{name}     string      the user's id
//	user:{id}            hash        username
//	user:{id}:rooms      set         ids of the user's rooms
//	user:online          set         ids of users who are online
//	presence:{id}        string      a heartbeat; expires after 30 seconds
//	room:{id}            hash        name, type
//	room:{id}:users      sorted set  ids of members, by the time at which they joined
//	room:{id}:messages   sorted set  ids of messages, by their time
//	message:{id}         hash        time, room, from, data
//
// and publishes each message on the channel "message".
type chat struct {
	db interface {
		Do(ctx context.Context, args ...any) (resp.Value, error)
	}
	serverID int // of several application servers
	now      func() time.Time
}

// An event is what application servers publish on the channel "message".
type event struct {
	ServerID int     `json:"serverId"`
	Type     string  `json:"type"`
	Data     message `json:"data"`
}

type message struct {
	From    string `json:"from"`
	Date    int64  `json:"date"` // Unix time in milliseconds
	Message string `json:"message"`
	RoomID  string `json:"roomId"`
}

// signUp takes the id first and claims the name with it in one step. A name therefore
// never points to a user that does not exist.
func (c *chat) signUp(ctx context.Context, name string) (user string, err error) {
	n, err := c.db.Do(ctx, "INCR", "user:count")
	if err != nil {
		return "", err
	}
	user = n.Text()
	if err := c.all(ctx, call{"HSET", "user:" + user, "username", name}); err != nil {
		return "", err
	}
	claimed, err := c.db.Do(ctx, "SET", "user:name:"+name, user, "NX")
	if err != nil {
		return "", err
	}
	if claimed.IsNull() {
		return "", errors.Join(errNameTaken, c.all(ctx, call{"DEL", "user:" + user}))
	}
	return user, nil
}

func (c *chat) username(ctx context.Context, user string) (string, error) {
	name, err := c.db.Do(ctx, "HGET", "user:"+user, "username")
	return name.Text(), err
}

func (c *chat) openRoom(ctx context.Context, name string) (room string, err error) {
	n, err := c.db.Do(ctx, "INCR", "room:count")
	if err != nil {
		return "", err
	}
	return n.Text(), c.all(ctx, call{"HSET", "room:" + n.Text(), "name", name, "type", "groups"})
}

func (c *chat) join(ctx context.Context, room, user string) error {
	return c.all(ctx,
		call{"ZADD", "room:" + room + ":users", c.now().UnixMilli(), user},
		call{"SADD", "user:" + user + ":rooms", room})
}

// heartbeat is called for each connected user, every ten seconds.
func (c *chat) heartbeat(ctx context.Context, user string) error {
	return c.all(ctx,
		call{"SET", "presence:" + user, "here", "EX", 30},
		call{"SADD", "user:online", user})
}

// goOffline is called when the key presence:{user} has expired. Should a heartbeat come
// just before it, the next one adds the user again.
func (c *chat) goOffline(ctx context.Context, user string) (name string, err error) {
	if err := c.all(ctx, call{"SREM", "user:online", user}); err != nil {
		return "", err
	}
	return c.username(ctx, user)
}

// online returns the names of a room's members who are online.
func (c *chat) online(ctx context.Context, room string) (names []string, err error) {
	users, err := c.db.Do(ctx, "ZINTER", 2, "room:"+room+":users", "user:online")
	if err != nil {
		return nil, err
	}
	for _, user := range users.Strings() {
		name, err := c.username(ctx, user)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// say stores a message before it adds the id to the room's index, and publishes it last:
// every id in the index has its message. Ids have leading zeros because members with
// equal scores, here messages of the same millisecond, are sorted as text.
func (c *chat) say(ctx context.Context, room, user, text string) error {
	n, err := c.db.Do(ctx, "INCR", "message:count")
	if err != nil {
		return err
	}
	id, at := fmt.Sprintf("%012d", n.Int), c.now().UnixMilli()
	payload, err := json.Marshal(event{c.serverID, "message", message{user, at, text, room}})
	if err != nil {
		return err
	}
	return c.all(ctx,
		call{"HSET", "message:" + id, "time", at, "room", room, "from", user, "data", text},
		call{"ZADD", "room:" + room + ":messages", at, id},
		call{"PUBLISH", "message", payload})
}

// messagesSince returns up to 20 messages of a room, the oldest first.
func (c *chat) messagesSince(ctx context.Context, room string, since time.Time) ([]map[string]string, error) {
	key := "room:" + room + ":messages"
	ids, err := c.db.Do(ctx, "ZRANGEBYSCORE", key, since.UnixMilli(), "+inf", "LIMIT", 0, 20)
	if err != nil {
		return nil, err
	}
	var list []map[string]string
	for _, id := range ids.Strings() {
		m, err := c.db.Do(ctx, "HGETALL", "message:"+id)
		if err != nil {
			return nil, err
		}
		list = append(list, m.Map())
	}
	return list, nil
}

// A call is a command with its arguments.
type call []any

// all makes several calls, up to the first that fails.
func (c *chat) all(ctx context.Context, calls ...call) error {
	for _, args := range calls {
		if _, err := c.db.Do(ctx, args...); err != nil {
			return fmt.Errorf("%v: %w", args[0], err)
		}
	}
	return nil
}
