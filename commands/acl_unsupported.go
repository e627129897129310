package commands

import "strings"

// unsupported are the commands of Redis 7.0.15 that are not here, by their ACL
// categories. Nobody can call them, but rules may be about them: so a file of
// users says the same here and in a Redis, and loses nothing on the way from one
// to the other.
var unsupported = []struct{ categories, names string }{
	{"admin fast dangerous", "lastsave"},
	{"admin slow dangerous", "bgrewriteaof bgsave failover module|list module|load module|loadex module|unload " +
		"psync replconf replicaof save slaveof sync"},
	{"hyperloglog admin slow dangerous", "pfselftest"},
	{"keyspace write slow dangerous", "migrate restore-asking"},
	{"read bitmap fast", "bitfield_ro getbit"},
	{"read bitmap slow", "bitcount bitpos"},
	{"read geo slow", "geodist geohash geopos georadius_ro georadiusbymember_ro geosearch"},
	{"read hyperloglog slow", "pfcount"},
	{"read list fast", "llen"},
	{"read list slow", "lindex lpos lrange"},
	{"read stream fast", "xlen"},
	{"read stream slow", "xinfo|consumers xinfo|groups xinfo|stream xpending xrange xrevrange"},
	{"read stream slow blocking", "xread"},
	{"slow", "function module module|help script xgroup xinfo"},
	{"slow scripting", "eval eval_ro evalsha evalsha_ro fcall fcall_ro function|dump function|help function|kill " +
		"function|list function|stats script|debug script|exists script|flush script|help script|kill script|load"},
	{"stream slow", "xgroup|help xinfo|help"},
	{"write bitmap slow", "bitfield bitop setbit"},
	{"write geo slow", "geoadd georadius georadiusbymember geosearchstore"},
	{"write hyperloglog admin slow dangerous", "pfdebug"},
	{"write hyperloglog fast", "pfadd"},
	{"write hyperloglog slow", "pfmerge"},
	{"write list fast", "lpop lpush lpushx rpop rpush rpushx"},
	{"write list slow", "linsert lmove lmpop lrem lset ltrim rpoplpush"},
	{"write list slow blocking", "blmove blmpop blpop brpop brpoplpush"},
	{"write slow scripting", "function|delete function|flush function|load function|restore"},
	{"write stream fast", "xack xadd xautoclaim xclaim xdel xsetid"},
	{"write stream slow", "xgroup|create xgroup|createconsumer xgroup|delconsumer xgroup|destroy xgroup|setid xtrim"},
	{"write stream slow blocking", "xreadgroup"},
}

// eachUnsupported calls f with all of them, those that stand below another behind
// that one.
func eachUnsupported(f func(name string, categories Category)) {
	for _, nested := range []bool{false, true} {
		for _, group := range unsupported {
			var categories Category
			for _, c := range strings.Fields(group.categories) {
				categories |= CategoryNamed([]byte(c))
			}
			for _, name := range strings.Fields(group.names) {
				if strings.Contains(name, "|") == nested {
					f(name, categories)
				}
			}
		}
	}
}
