// Prints the addresses Go's own resolver finds for its argument, one a line, or the error.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
)

func main() {
	resolver := net.Resolver{PreferGo: true}
	found, err := resolver.LookupHost(context.Background(), os.Args[1])
	if err != nil {
		fmt.Println("error", err)
		return
	}
	for _, address := range found {
		fmt.Println(address)
	}
}
