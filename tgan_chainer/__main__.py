from tgan_chainer.commands import main

if __name__ == "__main__":
    main()
