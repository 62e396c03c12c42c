from kun_cluster.cli.main import main

main()
