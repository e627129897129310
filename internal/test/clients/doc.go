// Package clienttest holds the tests of a parley server with the client
// libraries that people use. It is a module of its own, so that whoever embeds
// the server does not inherit the libraries.
package clienttest
