/* Prints the addresses getaddrinfo() finds for its argument, one a line, or the error. Built with glibc and with musl by the tests. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    struct addrinfo hints, *found, *each;
    char text[INET6_ADDRSTRLEN];
    int error;

    if (argc != 2)
        return 2;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    error = getaddrinfo(argv[1], NULL, &hints, &found);
    if (error) {
        printf("error %s\n", gai_strerror(error));
        return 0;
    }
    for (each = found; each; each = each->ai_next) {
        if (each->ai_family == AF_INET6)
            inet_ntop(AF_INET6, &((struct sockaddr_in6 *)each->ai_addr)->sin6_addr, text, sizeof text);
        else
            inet_ntop(AF_INET, &((struct sockaddr_in *)each->ai_addr)->sin_addr, text, sizeof text);
        puts(text);
    }
    freeaddrinfo(found);
    return 0;
}
