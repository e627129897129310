package commands

import (
	"github.com/parley-chat/parley/datastructs"
	"github.com/parley-chat/parley/internal/wire"
)

var pubsubRows = []Command{
	{
		Name: "psubscribe", Syntax: "pattern [pattern ...]",
		Summary: "Starts receiving what is published to channels that match a pattern.",
		Since:   "2.0.0", Group: "pubsub", Complexity: "O(N), N being the patterns given",
		Arity: -2, Flags: PubSub | NoScript | Loading | Stale | Subscribed | NeedsConnection,
		Channels: ChannelWords{First: 1, Last: -1, Patterns: true},
		Run:      subscribing(ToPattern),
	},
	{
		Name: "publish", Syntax: "channel message",
		Summary: "Sends a message to all who are subscribed to a channel.",
		Since:   "2.0.0", Group: "pubsub", Complexity: "O(N+M), N being the channel's subscribers and M all subscribed patterns",
		Arity: 3, Flags: PubSub | Loading | Stale | Fast | mayReplicate,
		Channels: ChannelWords{First: 1, Last: 1},
		Run:      publish,
	},
	{
		Name: "pubsub", Syntax: "",
		Summary: "Holds the commands that tell who is subscribed to what.",
		Since:   "2.8.0", Group: "pubsub", Complexity: "That of the subcommand",
		Arity: -2,
		Subs: []Command{
			{
				Name: "channels", Syntax: "[pattern]",
				Summary: "Lists the channels that have subscribers.",
				Since:   "2.8.0", Group: "pubsub", Complexity: "O(N), N being the channels that have subscribers",
				Arity: -2, Flags: PubSub | Loading | Stale,
				Run: pubsubChannels,
			},
			{
				Name: "numpat", Syntax: "",
				Summary: "Counts the different patterns that anyone is subscribed to.",
				Since:   "2.8.0", Group: "pubsub", Complexity: "O(1)",
				Arity: 2, Flags: PubSub | Loading | Stale,
				Run: pubsubNumPat,
			},
			{
				Name: "numsub", Syntax: "[channel [channel ...]]",
				Summary: "Counts the subscribers of channels, patterns left aside.",
				Since:   "2.8.0", Group: "pubsub", Complexity: "O(N), N being the channels given",
				Arity: -2, Flags: PubSub | Loading | Stale,
				Run: pubsubNumSub,
			},
			{
				Name: "shardchannels", Syntax: "[pattern]",
				Summary: "Lists the shard channels that have subscribers.",
				Since:   "7.0.0", Group: "pubsub", Complexity: "O(N), N being the shard channels that have subscribers",
				Arity: -2, Flags: PubSub | Loading | Stale,
				Run: pubsubShardChannels,
			},
			{
				Name: "shardnumsub", Syntax: "[shardchannel [shardchannel ...]]",
				Summary: "Counts the subscribers of shard channels.",
				Since:   "7.0.0", Group: "pubsub", Complexity: "O(N), N being the shard channels given",
				Arity: -2, Flags: PubSub | Loading | Stale,
				Run: pubsubShardNumSub,
			},
			{
				Name: "help", Syntax: "",
				Summary: "Lists these subcommands.",
				Since:   "6.2.0", Group: "pubsub", Complexity: "O(1)",
				Arity: 2, Flags: Loading | Stale,
				ACL: catSlow,
				Run: Help,
			},
		},
	},
	{
		Name: "punsubscribe", Syntax: "[pattern [pattern ...]]",
		Summary: "Ends subscriptions to patterns: the given ones, or all.",
		Since:   "2.0.0", Group: "pubsub", Complexity: "O(N), N being the patterns that end",
		Arity: -1, Flags: PubSub | NoScript | Loading | Stale | Subscribed | NeedsConnection,
		Run: unsubscribing(ToPattern),
	},
	{
		Name: "spublish", Syntax: "shardchannel message",
		Summary: "Sends a message to all who are subscribed to a shard channel.",
		Since:   "7.0.0", Group: "pubsub", Complexity: "O(N), N being the shard channel's subscribers",
		Arity: 3, Flags: PubSub | Loading | Stale | Fast | mayReplicate,
		Channels: ChannelWords{First: 1, Last: 1},
		Keys:     Keys{{First: 1, Flags: NotKey}},
		Run:      spublish,
	},
	{
		Name: "ssubscribe", Syntax: "shardchannel [shardchannel ...]",
		Summary: "Starts receiving what is published to shard channels.",
		Since:   "7.0.0", Group: "pubsub", Complexity: "O(N), N being the shard channels given",
		Arity: -2, Flags: PubSub | NoScript | Loading | Stale | Subscribed | NeedsConnection,
		Channels: ChannelWords{First: 1, Last: -1},
		Keys:     Keys{{First: 1, Last: -1, Flags: NotKey}},
		Run:      ssubscribe,
	},
	{
		Name: "subscribe", Syntax: "channel [channel ...]",
		Summary: "Starts receiving what is published to channels.",
		Since:   "2.0.0", Group: "pubsub", Complexity: "O(N), N being the channels given",
		Arity: -2, Flags: PubSub | NoScript | Loading | Stale | Subscribed | NeedsConnection,
		Channels: ChannelWords{First: 1, Last: -1},
		Run:      subscribing(ToChannel),
	},
	{
		Name: "sunsubscribe", Syntax: "[shardchannel [shardchannel ...]]",
		Summary: "Ends subscriptions to shard channels: the given ones, or all.",
		Since:   "7.0.0", Group: "pubsub", Complexity: "O(N), N being the shard channels that end",
		Arity: -1, Flags: PubSub | NoScript | Loading | Stale | Subscribed | NeedsConnection,
		Keys: Keys{{First: 1, Last: -1, Flags: NotKey}},
		Run:  unsubscribing(ToShard),
	},
	{
		Name: "unsubscribe", Syntax: "[channel [channel ...]]",
		Summary: "Ends subscriptions to channels: the given ones, or all.",
		Since:   "2.0.0", Group: "pubsub", Complexity: "O(N), N being the channels that end",
		Arity: -1, Flags: PubSub | NoScript | Loading | Stale | Subscribed | NeedsConnection,
		Run: unsubscribing(ToChannel),
	},
}

// ssubscribe is not for EXEC, as Redis has it, though SUBSCRIBE is.
func ssubscribe(c *Context) error {
	if c.Final {
		return Errorf("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
	}
	return subscribing(ToShard)(c)
}

// subscribing makes the handler that subscribes the caller. The answer is one
// push for each name, new or not, and no reply besides.
func subscribing(kind SubscriptionKind) func(*Context) error {
	return func(c *Context) error {
		for _, name := range c.Args[1:] {
			c.Channels.Subscribe(c.Client, kind, name)
			confirmSubscription(c, kind, name, true)
		}
		return nil
	}
}

// unsubscribing makes the handler that ends subscriptions: those named, held or
// not, or all. Redis gives "all" in no defined order.
func unsubscribing(kind SubscriptionKind) func(*Context) error {
	return func(c *Context) error {
		for _, name := range c.Args[1:] {
			c.Channels.unsubscribe(c.Client, kind, name)
			confirmSubscription(c, kind, name, true)
		}
		if len(c.Args) > 1 {
			return nil
		}
		held := c.Channels.Of(c.Client, kind)
		for _, name := range held {
			c.Channels.unsubscribe(c.Client, kind, []byte(name))
			confirmSubscription(c, kind, []byte(name), true)
		}
		if len(held) == 0 {
			confirmSubscription(c, kind, nil, false)
		}
		return nil
	}
}

// confirmSubscription tells that one subscription has begun or ended, and how many the
// client now has: of shard channels, or of channels and patterns together. named
// is false where it had none to end.
func confirmSubscription(c *Context, kind SubscriptionKind, name []byte, named bool) {
	held := c.Client.subscriptionCount(ToShard)
	if kind != ToShard {
		held = c.Client.subscriptionCount(ToChannel) + c.Client.subscriptionCount(ToPattern)
	}
	c.send(c.Client, newMessage(func(w *wire.Writer) {
		w.Push(3)
		w.BulkString(c.Command.Name)
		w.BulkOrNull(name, named)
		w.Int(held)
	}))
}

func publish(c *Context) error {
	c.Int(c.Publish(c.Args[1], c.Args[2]))
	return nil
}

func spublish(c *Context) error {
	c.Int(c.publishToShard(c.Args[1], c.Args[2]))
	return nil
}

func pubsubChannels(c *Context) error { return listChannels(c, ToChannel) }

func pubsubShardChannels(c *Context) error { return listChannels(c, ToShard) }

// listChannels gives the channels in no defined order, as Redis does.
func listChannels(c *Context, kind SubscriptionKind) error {
	if len(c.Args) > 3 {
		return c.subcommandError()
	}
	mark, n := c.Mark(), 0
	for _, name := range c.Channels.names(kind) {
		if len(c.Args) == 2 || datastructs.Match(c.Args[2], []byte(name), false) {
			c.BulkString(name)
			n++
		}
	}
	c.CloseArray(mark, n)
	return nil
}

func pubsubNumPat(c *Context) error {
	c.Int(c.Channels.count(ToPattern))
	return nil
}

func pubsubNumSub(c *Context) error { return countSubscribers(c, ToChannel) }

func pubsubShardNumSub(c *Context) error { return countSubscribers(c, ToShard) }

func countSubscribers(c *Context, kind SubscriptionKind) error {
	channels := c.Args[2:]
	c.Array(2 * len(channels))
	for _, name := range channels {
		c.Bulk(name)
		c.Int(c.Channels.Subscribers(kind, name))
	}
	return nil
}
