"""The HTTP server of a process: one listen socket, limits and deadlines, for all of its services. No nameko.

Map
    server.py       HttpServer: the socket, its TLS, who may connect, how it stops
    connection.py   one connection: limits and deadlines on what a client may send
    application.py  the WSGI application: environ → Request, Response → WSGI
    body.py         reads a request's body within a limit and a deadline
    routes.py       which entry point answers which path
"""
