// Compiled while the image is built, to warm the cache.
package main

import "fmt"

func main() { fmt.Println(6 * 7) }
